"""What the ladder is made of, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer, metadata
from pipeline.workflow.ladder_rungs import open_ladder, rungs
from pipeline.workflow.run_folder import Run
from tests import tiny_models

DIGITS = ["data.preprocess={channels: 3, scale: -1..1}", "data.limit=20"]


def names(target: Path | None, **options: object) -> list[str]:
    return [rung.name for rung in rungs(open_ladder(target, **options))]  # type: ignore[arg-type]


def test_the_newest_runs_ladder(run: Run) -> None:
    assert names(None) == ["float", "prepared", "reference", "builtin", "xnnpack"]
    assert [Path(rung.source).name for rung in rungs(open_ladder(run.folder))] == [
        "float.tflite",
        "prepared.tflite",
        *["int8.tflite"] * 3,
    ]


def test_a_file_and_its_reference(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(run.path("int8.tflite").read_bytes())
    target = open_ladder(alone, run.path("float.tflite"), "mobilenet", DIGITS)
    assert target.run is None
    assert [rung.name for rung in rungs(target)] == ["float", "reference", "builtin", "xnnpack"]


def test_reference_kernels_that_lack_an_operator_are_left_out(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "elu.tflite"
    model.write_bytes(tiny_models.linear(np.eye(3), ending="ELU"))
    target = replace(open_ladder(run.folder), model=model, float_model=model, prepared=None)
    said: list[str] = []
    assert [rung.name for rung in rungs(target, say=said.append)] == ["float", "builtin", "xnnpack"]
    assert "without the rung 'reference'" in said[0]
    assert "ELU" in said[0]


def test_a_given_reference_takes_the_place_of_the_runs_models(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(run.path("prepared.tflite").read_bytes())
    assert names(run.folder, reference=other) == ["float", "reference", "builtin", "xnnpack"]


def test_qat_has_rungs_of_its_own_and_no_hub(run: Run) -> None:
    run.path("qat.tflite").write_bytes(run.path("float.tflite").read_bytes())
    assert names(run.folder) == ["float", "qat", "reference", "builtin", "xnnpack"]


def test_keras_models_are_left_out_when_asked(run: Run) -> None:
    run.path("float.keras").write_bytes(b"")
    assert open_ladder(run.folder).keras == run.path("float.keras")
    assert open_ladder(run.folder, keras=False).keras is None


def test_an_old_qat_model_beside_a_ptq_model_is_no_rung(run: Run) -> None:
    run.path("qat.h5").write_bytes(b"")
    assert open_ladder(run.folder).keras_qat is None


@pytest.mark.parametrize("name", ["float.tflite", "prepared.tflite"])
def test_a_float_file_is_refused(run: Run, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name} computes in float: it is float32"):
        open_ladder(run.path(name))


def test_without_a_float_model(run: Run) -> None:
    run.path("float.tflite").unlink()
    with pytest.raises(InputError, match=r"There is no float model .*--reference .*the run has no float\.tflite"):
        open_ladder(run.folder)


def test_a_reference_that_is_missing_or_quantized(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*nowhere\.tflite"):
        open_ladder(run.folder, tmp_path / "nowhere.tflite")
    with pytest.raises(InputError, match="is no float model: it is full int8"):
        open_ladder(run.folder, run.path("int8.tflite"))


def test_a_file_in_no_run_needs_a_recipe(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(run.path("int8.tflite").read_bytes())
    with pytest.raises(InputError, match="--recipe RECIPE"):
        open_ladder(alone, run.path("float.tflite"))


def test_a_custom_operator_is_named(run: Run) -> None:
    model = flatbuffer.read(metadata.take_out(run.path("int8.tflite").read_bytes())[0])
    for code in model.operatorCodes:
        if "MEAN" in flatbuffer.operator_name(model, _user(model, code)):
            code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"MyPool"
    run.path("int8.tflite").write_bytes(flatbuffer.serialize(model))
    with pytest.raises(InputError, match="needs the custom operator MyPool, which LiteRT does not bring"):
        open_ladder(run.folder)


def _user(model: object, code: object) -> object:
    graph = model.subgraphs[0]  # type: ignore[attr-defined]
    return next(op for op in graph.operators if model.operatorCodes[op.opcodeIndex] is code)  # type: ignore[attr-defined]


def test_a_file_that_kills_the_runtime(run: Run) -> None:
    run.path("int8.tflite").write_bytes(tiny_models.sum_of_two(4, "int8", scale=None))
    with pytest.raises(InputError, match="kills the process"):
        open_ladder(run.folder)


def test_a_file_that_is_cut_short(run: Run) -> None:
    content = run.path("int8.tflite").read_bytes()
    run.path("int8.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="truncated or corrupt"):
        open_ladder(run.folder)


def test_another_models_reference(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny_models.linear(np.eye(3)))
    from pipeline.workflow.verification import verify

    with pytest.raises(InputError, match="preprocessing must give the model's shape"):
        verify(open_ladder(run.folder, other))
