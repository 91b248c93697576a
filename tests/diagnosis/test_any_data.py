"""Data of several inputs, tables and tokens: what can be checked is, and what cannot is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline import recipe as recipes
from pipeline.data import load
from pipeline.diagnosis.calibration_data import diagnose
from pipeline.finding import Diagnosis
from pipeline.recipe import Recipe
from pipeline.tasks.registry import resolve
from pipeline.tflite.endings import endings
from pipeline.tflite.runner import Runner
from tests import tiny_models

RANDOM = np.random.default_rng(0)


def two_inputs(folder: Path, left: np.ndarray, right: np.ndarray, targets: dict[str, Any] | None = None) -> Recipe:
    """A recipe of `left` and `right`, the first 80 rows for calibration and the rest for the test."""
    arrays: dict[str, np.ndarray] = {"y": RANDOM.normal(size=(len(left), 1)).astype(np.float32)}
    arrays |= {"left": left, "right": right}
    path = folder / "data.npz"
    cut = {"calibration": slice(0, 80), "test": slice(80, None)}
    split = {f"{name}_{part}": array[where] for name, array in arrays.items() for part, where in cut.items()}
    np.savez(path, **split)
    data: dict[str, Any] = {
        "source": "npz",
        "path": str(path),
        "inputs": {"left": {"from": "left"}, "right": {"from": "right"}},
        "targets": {"value": {"from": "y"}} if targets is None else targets,
    }
    return recipes.parse({"name": "two", "model": {}, "data": data})


def examined(content: bytes, recipe: Recipe, task: Any = "fidelity") -> Diagnosis:
    data, runner = load(recipe.data), Runner(content)
    found = resolve(task, runner.signature, endings(content), data.inputs, data.targets, data.class_names)
    return diagnose(content, recipe.data, task=found.task)


def normal(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(count + size).normal(size=(count, size)).astype(np.float32)


def test_good_data_of_two_inputs_without_classes(tmp_path: Path) -> None:
    found = examined(tiny_models.joined(), two_inputs(tmp_path, normal(160, 3), normal(160, 2)))
    assert found.findings == ()
    assert found.examples == {"calibration": 80, "test": 80}
    assert "classes: the data has none" in found.left_out
    assert any("for images" in reason for reason in found.left_out)
    assert any(checked.startswith("ranges of 6 activations") for checked in found.checked)


def test_an_input_that_is_narrower_in_calibration_is_found_among_several(tmp_path: Path) -> None:
    right = normal(160, 2)
    right[:80] /= 100
    found = examined(tiny_models.joined(), two_inputs(tmp_path, normal(160, 3), right))
    (ranges,) = [finding for finding in found.findings if finding.check == "ranges"]
    assert ranges.severity == "error"
    assert "in_right" in ranges.message or "right" in ranges.message
    assert "image" not in ranges.remedy


def test_examples_count_as_copies_where_both_inputs_are_the_same(tmp_path: Path) -> None:
    left, right = normal(160, 3), normal(160, 2)
    left[80:90], right[80:85] = left[:10], right[:5]  # ten rows alike on the left, five of them on the right too
    found = examined(tiny_models.joined(), two_inputs(tmp_path, left, right))
    (copies,) = [finding for finding in found.findings if finding.check == "duplicates"]
    assert copies.evidence["count"] == 5


def test_a_flat_input_is_told_by_its_name(tmp_path: Path) -> None:
    left = normal(160, 3)
    left[:80, 1] = 0.5  # of the calibration split, and not of the test split
    found = examined(tiny_models.joined(), two_inputs(tmp_path, left, normal(160, 2)))
    flat = [finding for finding in found.findings if finding.check == "saturation"]
    assert flat
    assert all("'left'" in finding.message for finding in flat)


def test_tokens_are_counted_but_have_no_range(tmp_path: Path) -> None:
    tokens = np.random.default_rng(1).integers(0, 10, (160, 4)).astype(np.int32)
    path = tmp_path / "data.npz"
    np.savez(path, x_calibration=tokens[:80], x_test=tokens[80:])
    data = {"source": "npz", "path": str(path), "inputs": {"x": {"from": "x", "dtype": "int32"}}, "targets": {}}
    recipe = recipes.parse({"name": "t", "model": {}, "data": data})
    found = examined(tiny_models.of_tokens(), recipe)
    assert not found.failed
    assert any("whole numbers" in reason for reason in found.left_out)
    assert any("quantized" in reason for reason in found.left_out)
