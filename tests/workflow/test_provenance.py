"""What a written file says of itself: labels of classes only, each input's preprocessing, the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.data import load
from pipeline.tasks.registry import resolve
from pipeline.tflite import metadata
from pipeline.tflite.endings import endings
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner
from pipeline.workflow.provenance import with_metadata
from tests import tiny_models
from tests.bundle.located_models import SIZE, Head, heads


def written(content: bytes, section: dict[str, Any], task: Any) -> Metadata:
    """The metadata of a model of this data."""
    recipe = recipes.parse({"name": "m", "model": {}, "data": section})
    data, runner = load(recipe.data), Runner(content)
    found = resolve(task, runner.signature, endings(content), data.inputs, data.targets, data.class_names)
    made = metadata.read(with_metadata(recipe, data, content, "float32", task=found.task))
    assert made is not None
    return made


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Any]:
    """Two inputs and a class."""
    random, path = np.random.default_rng(0), tmp_path / "data.npz"
    left, right = random.normal(size=(40, 3)).astype(np.float32), random.normal(size=(40, 2)).astype(np.float32)
    np.savez(path, left_train=left, right_train=right, y_train=np.arange(40) % 4)
    inputs = {"left": {"from": "left", "standardize": True}, "right": {"from": "right"}}
    return {"source": "npz", "path": str(path), "inputs": inputs, "targets": {"class": {"from": "y"}}}


def test_a_classifier_s_labels_and_its_one_image_s_preprocessing() -> None:
    found = written(tiny_models.digits(), {"source": "digits", "preprocess": {"scale": "0..1"}}, "classification")
    assert found.labels == tuple("0123456789")
    assert (found.preprocessing["scale"], found.preprocessing["shape"]) == ("0..1", [8, 8, 1])
    assert found.task["name"] == "classification"


def test_each_input_s_preprocessing_by_the_model_s_names(two: dict[str, Any]) -> None:
    task = {"outputs": {"scores": "classification"}}
    found = written(tiny_models.joined(), two, task)
    left = found.preprocessing_of("left")
    assert left["shape"] == [3]
    assert len(left["standardize"]["mean"]) == 3
    assert "standardize" not in found.preprocessing_of("right")
    assert len(found.labels) == 4


def test_there_are_no_labels_where_no_output_is_of_classes(two: dict[str, Any]) -> None:
    assert written(tiny_models.joined(), two, "fidelity").labels == ()


def test_names_of_boxes_need_no_value_each_in_an_output() -> None:
    content = heads({"output": Head((14, 20), 0, 1)})
    section = {
        "source": "digit_scenes",
        "limit": 12,
        "preprocess": {"size": list(SIZE), "channels": 3, "scale": "0..1"},
    }
    found = written(content, section, {"name": "detection", "decode": "yolo_v8"})
    assert found.labels == tuple("0123456789")
    assert (found.task["decode"], found.task["output"]) == ("yolo_v8", "output")
