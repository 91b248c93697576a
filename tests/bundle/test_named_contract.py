"""The contract of models with several inputs and outputs, of any type: every one by its name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bundle.contract import Contract
from pipeline.bundle.named_source import identifiers
from pipeline.bundle.read_contract import read, readings
from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata import Metadata, by_input, write
from tests import tiny_models
from tests.bundle.test_bundle import array, packed

TABLE = {"kind": "table", "scale": "raw", "mean": [0.0], "std": [1.0], "columns": ["a", "b", "c"]}
STANDARD = {"mean": [1.0, -2.0, 0.5], "std": [2.0, 0.5, 1.0], "axis": -1}
VALUES = {"kind": "values", "scale": "0..1", "mean": [0.0], "std": [255.0]}
TASK = {"name": "several", "outputs": {"scores": {"name": "classification"}, "value": {"name": "regression"}}}


def two_inputs(dtype: str = "int8", task: dict[str, Any] = TASK) -> bytes:
    """A table and two values in, scores and a value out, with what a run writes into the file."""
    made = {"left": TABLE | {"standardize": STANDARD}, "right": VALUES}
    metadata = Metadata("two", labels=("ant", "bee", "cat", "dog"), preprocessing=by_input(made), task=task)
    return write(tiny_models.joined(dtype), metadata)


def contract_of(content: bytes, **known: Any) -> Contract:
    return read(inspect(content), content, **known)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(two_inputs())
    return path


def test_every_input_and_output_is_described_by_name(model: Path) -> None:
    contract = json.loads(packed(model)["contract.json"])
    assert contract["schema"] == 2
    left, right = contract["inputs"]
    assert (left["name"], left["shape"], left["shape_signature"]) == ("left", [1, 3], [-1, 3])
    assert (left["dtype"], left["scale"], left["zero_point"]) == ("int8", 0.25, -3)
    assert left["preprocessing"]["kind"] == "table"
    assert left["preprocessing"]["standardize"] == STANDARD
    assert right["preprocessing"]["formula"] == "x / 255, in float32"
    scores, value = contract["outputs"]
    assert scores["postprocessing"] == {
        "reading": "classes",
        "ending": "softmax",
        "apply": None,
        "classes": 4,
        "top_k": 4,
    }
    assert scores["labels"] == ["ant", "bee", "cat", "dog"]
    assert value["postprocessing"] == {"reading": "values", "ending": "none", "apply": None}
    assert value["labels"] == []
    assert contract["task"] == TASK
    assert not {"input", "output", "preprocessing"} & set(contract)


def test_golden_vectors_of_each_port_are_what_the_model_computes(model: Path) -> None:
    from pipeline.tflite.runner import Runner

    found = packed(model, examples=2)
    examples = json.loads(found["contract.json"])["golden"]["examples"]
    assert len(examples) == 2
    runner = Runner(model)
    for example in examples:
        left = array(found, example["inputs"]["left"]["values"])
        standard = (left - np.float32([1.0, -2.0, 0.5])) / np.float32([2.0, 0.5, 1.0])
        fed = [array(found, example["inputs"][name]["input"]) for name in ("left", "right")]
        np.testing.assert_array_equal(fed[0], runner.inputs[0].quantize(standard[None]))
        for name, wanted in zip(("scores", "value"), runner.run(*fed), strict=True):
            np.testing.assert_array_equal(array(found, example["outputs"][name]["output"]), wanted)
        real = array(found, example["outputs"]["scores"]["real"])
        assert example["outputs"]["scores"]["answer"]["index"] == int(real.argmax())
        assert "answer" not in example["outputs"]["value"]


def test_labels_and_class_helpers_only_where_an_output_has_classes(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    made = {"inputs": {"left": VALUES, "right": VALUES}}
    path.write_bytes(write(tiny_models.joined(), Metadata("r", preprocessing=made, task={"name": "fidelity"})))
    found = packed(path)
    assert "labels.txt" not in found
    java = found["java/main/dev/kerasint8/contract/Contract.java"].decode()
    assert "decodeScores" in java
    assert "topScores" not in java
    assert "probabilitiesScores" not in java


def test_tokens_are_fed_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(tiny_models.of_tokens())
    found = packed(path)
    contract = json.loads(found["contract.json"])
    assert contract["inputs"][0]["preprocessing"] == {"kind": "tokens"}
    assert contract["inputs"][0]["scale"] is None
    vectors = contract["golden"]["examples"][0]["inputs"]["tokens"]
    np.testing.assert_array_equal(array(found, vectors["values"]), array(found, vectors["input"])[0])


def test_a_task_says_what_each_output_is() -> None:
    assert readings(TASK, ["scores", "value"]) == {"scores": "classes", "value": "values"}
    assert readings({"name": "multilabel", "output": "b"}, ["a", "b"]) == {"a": "values", "b": "labels"}
    assert readings({"name": "classification"}, ["y"]) == {"y": "classes"}
    assert readings({"name": "regression"}, ["y"]) == {"y": "values"}


def test_scores_without_a_task_are_a_classifier_s_unless_the_data_has_no_classes() -> None:
    content = write(tiny_models.linear(np.eye(4)), Metadata("m", preprocessing=VALUES))
    assert contract_of(content).outputs[0].reading == "classes"
    assert contract_of(content, classes=False).outputs[0].reading == "values"
    assert contract_of(content, classes=False, task={"name": "classification"}).outputs[0].reading == "classes"


def test_open_sizes_are_those_of_the_data() -> None:
    content = tiny_models.open_sized()
    image = {"kind": "image", "scale": "0..1", "mean": [0.0], "std": [255.0]}
    spec = TensorSpec("photo", (-1, 5, 7, 3), np.dtype(np.float32))
    contract = contract_of(content, described={"photo": image}, inputs={"photo": spec}, classes=False)
    assert contract.inputs[0].tensor.shape == (1, 5, 7, 3)
    assert contract.inputs[0].signature == (-1, -1, -1, 3)
    assert contract.outputs[0].tensor.shape == (1, 5, 7, 2)


def test_open_sizes_that_nobody_says_are_refused() -> None:
    content = write(tiny_models.open_sized(), Metadata("m", preprocessing=VALUES))
    with pytest.raises(InputError, match=r"'x' of .* is open: \[\?, \?, \?, 3\]"):
        contract_of(content)


def test_a_model_without_a_batch() -> None:
    spec = TensorSpec("x", (-1, 6), np.dtype(np.float32))
    contract = contract_of(tiny_models.without_batch(), described={"x": VALUES}, inputs={"x": spec}, classes=False)
    assert (contract.inputs[0].tensor.shape, contract.simple) == ((6,), False)


def test_data_that_does_not_name_the_model_s_inputs_is_refused() -> None:
    with pytest.raises(InputError, match=r"no input 'lefft'.*'left'"):
        contract_of(tiny_models.joined(), described={"lefft": VALUES, "right": VALUES})


def test_a_recipe_that_contradicts_one_of_several_inputs_is_refused() -> None:
    described = {"left": TABLE | {"standardize": STANDARD}, "right": VALUES | {"scale": "raw"}}
    with pytest.raises(InputError, match=r"scale 0\.\.1, not raw \(input 'right'\)"):
        contract_of(two_inputs(), described=described)


def test_an_input_that_nothing_describes_is_refused() -> None:
    with pytest.raises(InputError, match=r"'left' .* is not recorded in it: say so with --recipe"):
        contract_of(tiny_models.joined())


def test_names_become_identifiers_that_are_all_different() -> None:
    names = identifiers(["serving_default_x:0", "left eye", "left-eye", "3d"])
    assert names["serving_default_x:0"] == ("SERVING_DEFAULT_X_0", "ServingDefaultX0")
    assert names["left eye"] == ("LEFT_EYE", "LeftEye")
    assert len({constant for constant, _ in names.values()}) == len({camel for _, camel in names.values()}) == 4


def test_a_simple_contract_keeps_the_keys_of_schema_1() -> None:
    image = asdict(Metadata("m", preprocessing=VALUES))["preprocessing"]
    content = write(tiny_models.linear(np.eye(4), dtype="int8"), Metadata("m", preprocessing=image))
    found = contract_of(content).to_json()
    assert found["input"]["name"] == found["inputs"][0]["name"] == "x"
    assert found["postprocessing"] == found["outputs"][0]["postprocessing"]
