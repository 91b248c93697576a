"""A file is held to its own metadata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from pipeline.recipe import IoType, Keep
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.inspect import inspect
from pipeline.verification.metadata_check import check
from pipeline.workflow.run_folder import MANIFEST, Run
from tests.verification.digits_run import RECIPE


def data(**changes: Any) -> Dataset:
    section = {**RECIPE["data"], **changes}
    return load(recipe.parse({**RECIPE, "data": section}).data)


def states(path: Path, dataset: Dataset | None = None) -> dict[str, str]:
    of_run = Run(path.parent).manifest["recipe"]
    return {entry.what: entry.state for entry in check(inspect(path), dataset or data(), of_run)}


def rewrite(path: Path, change: Callable[[metadata.Metadata], metadata.Metadata]) -> None:
    content, described = metadata.take_out(path.read_bytes())
    assert described is not None
    path.write_bytes(metadata.write(content, change(described)))


def with_facts(**facts: Any) -> Callable[[metadata.Metadata], metadata.Metadata]:
    return lambda described: dataclasses.replace(described, provenance=described.provenance | facts)


def test_a_file_as_it_was_written(run: Run) -> None:
    assert states(run.path("int8.tflite")) == dict.fromkeys(
        ["format", "labels", "preprocessing", "recipe", "data", "golden pair"], "ok"
    )


def test_a_changed_weight_breaks_the_golden_pair(run: Run) -> None:
    path = run.path("int8.tflite")
    content, described = metadata.take_out(path.read_bytes())
    model = flatbuffer.read(content)
    (tensor,) = [t for t in model.subgraphs[0].tensors if flatbuffer.tensor_name(t) == "dense/bias"]
    model.buffers[tensor.buffer].data = (np.array(flatbuffer.tensor_data(model, tensor)) + 500).view(np.uint8)
    path.write_bytes(metadata.write(flatbuffer.serialize(model), described or metadata.Metadata("x")))
    (golden,) = [entry for entry in check(inspect(path), data()) if entry.state == "broken"]
    assert golden.what == "golden pair"
    assert "was recorded: the file was changed since" in golden.message


def test_another_runtime_is_named_as_a_possible_cause(run: Run) -> None:
    path = run.path("int8.tflite")

    def older(described: metadata.Metadata) -> metadata.Metadata:
        facts = described.provenance
        golden = facts["golden"] | {"output_sha256": "0" * 64}
        return with_facts(golden=golden, versions=facts["versions"] | {"ai-edge-litert": "1.0"})(described)

    rewrite(path, older)
    (golden,) = [entry for entry in check(inspect(path), data()) if entry.state == "broken"]
    assert "computes otherwise than 1.0" in golden.message


def test_a_float_file_with_an_int8_files_metadata_is_not_what_it_says(run: Run) -> None:
    described = metadata.read(run.path("int8.tflite"))
    assert described is not None
    content, _ = metadata.take_out(run.path("float.tflite").read_bytes())
    run.path("int8.tflite").write_bytes(metadata.write(content, described))
    found = states(run.path("int8.tflite"))
    assert (found["format"], found["golden pair"]) == ("broken", "broken")


def test_labels_in_another_order(run: Run) -> None:
    rewrite(
        run.path("int8.tflite"),
        lambda described: dataclasses.replace(described, labels=(*described.labels[1:], described.labels[0])),
    )
    (labels,) = [entry for entry in check(inspect(run.path("int8.tflite")), data()) if entry.what == "labels"]
    assert (labels.state, labels.message) == ("broken", "class 0 is '1' in the file's labels and '0' in the data")


def test_data_on_another_scale(run: Run) -> None:
    dataset = data(preprocess={"channels": 3, "scale": "0..1"})
    assert states(run.path("int8.tflite"), dataset)["preprocessing"] == "broken"


def test_other_data_and_a_changed_recipe_are_noted(run: Run) -> None:
    content = json.loads(run.path(MANIFEST).read_text())
    content["recipe"]["description"] = "changed"
    run.path(MANIFEST).write_text(json.dumps(content))
    rewrite(run.path("int8.tflite"), with_facts(data_sha256="f" * 64))
    found = states(run.path("int8.tflite"))
    assert (found["recipe"], found["data"]) == ("note", "note")


def test_a_file_without_metadata_says_nothing(run: Run) -> None:
    path = run.path("int8.tflite")
    path.write_bytes(metadata.take_out(path.read_bytes())[0])
    assert check(inspect(path), data()) == ()


@pytest.mark.parametrize("golden", [{"version": 99}, "a string", {"version": 3, "examples": 8, "x": 1}])
def test_a_golden_pair_of_another_version(run: Run, golden: Any) -> None:
    rewrite(run.path("int8.tflite"), with_facts(golden=golden))
    with pytest.raises(InputError, match="golden"):
        check(inspect(run.path("int8.tflite")), data())


def format_check(path: Path) -> tuple[str, str]:
    (found,) = [entry for entry in check(inspect(path), data()) if entry.what == "format"]
    return found.state, found.message


def written_again(run: Run, io: IoType, keep: list[Keep]) -> Path:
    """The run's int8 file with other ends and keep rules, under metadata that say `int8` and nothing of these."""
    path = run.path("int8.tflite")
    described = metadata.read(path)
    assert described is not None
    ranges = Ranges.load(run.path("ranges.json"))
    content = write(run.path("prepared.tflite").read_bytes(), "int8", ranges, io, keep)
    path.write_bytes(metadata.write(metadata.take_out(content)[0], described))
    return path


def test_operators_in_float_that_no_rule_names_are_not_what_was_promised(run: Run) -> None:
    kept = [Keep.model_validate({"type": "FULLY_CONNECTED"})]
    path = written_again(run, "int8", kept)
    state, message = format_check(path)
    assert state == "broken"
    assert "mixed" in message
    rewrite(path, with_facts(keep=[str(rule) for rule in kept]))
    state, message = format_check(path)
    assert state == "ok"
    assert "int8 but for 1 operator that its keep rules name (type:FULLY_CONNECTED=float32), and is mixed" in message


def test_float_ends_are_ok_where_they_were_promised(run: Run) -> None:
    path = written_again(run, "float32", [])
    assert format_check(path)[0] == "broken"
    rewrite(path, with_facts(io="float32"))
    assert format_check(path)[0] == "ok"
    assert "with float inputs and outputs" in format_check(path)[1]
    rewrite(path, with_facts(io=None))  # as files say that were written before
    assert format_check(path)[0] == "note"
