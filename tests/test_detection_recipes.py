"""The recipes of detectors and segmenters, cut short: training, QAT or PTQ, int8, numbers in the task's metric."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import recipe
from pipeline.tflite.inspect import inspect
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

BCCD = Path(__file__).parents[1] / "../shared/data/bccd"
SHORT = [
    *("train.epochs=1", "qat.epochs=1", "data.limit=12", "data.calibration=8", "benchmark.runs=6", "model.alpha=0.35"),
]


def finished(name: str, folder: Path, *overrides: str, ptq: bool = False) -> stages.RunContext:
    context = stages.RunContext(recipe.load(name, [*SHORT, *overrides]), Run(folder / name))
    stages.run_recipe(context, ptq=ptq)
    return context


def check(done: stages.RunContext, *names: str) -> None:
    metrics = json.loads(done.run.path("metrics.json").read_text())
    first = metrics["task"]["metrics"][0]["name"]
    for name in names:
        assert 0 <= metrics[name][first] <= 1
        assert 0 <= metrics[name]["agreement"] <= 1
    found = inspect(done.run.path("int8.tflite"))
    assert found.verdict.text == "full int8, per-channel", found.verdict.breaks


@pytest.mark.slow
@pytest.mark.parametrize("ptq", [False, True])
def test_boxes_of_digits(ptq: bool, tmp_path: Path) -> None:
    done = finished("digit_scenes_detection", tmp_path, ptq=ptq)
    assert done.run.metrics["task"]["metrics"][0]["name"] == "ap"
    check(done, "float", "int8", *([] if ptq else ["qat"]))


@pytest.mark.slow
@pytest.mark.parametrize("ptq", [False, True])
def test_masks_of_digits(ptq: bool, tmp_path: Path) -> None:
    done = finished("digit_scenes_segmentation", tmp_path, ptq=ptq)
    assert done.run.metrics["task"]["metrics"][0]["name"] == "miou"
    check(done, "float", "int8", *([] if ptq else ["qat"]))


@pytest.mark.slow
def test_centres_of_digits(tmp_path: Path) -> None:
    """Another head on the same data: three outputs, and no anchors."""
    content = recipe.load("digit_scenes_detection", SHORT).model_dump(mode="json")
    content["model"]["name"], content["task"] = "centernet", {"name": "detection", "decode": "centernet"}
    context = stages.RunContext(recipe.parse(content), Run(tmp_path / "centres"))
    stages.run_recipe(context)
    check(context, "float", "qat", "int8")


@pytest.mark.slow
@pytest.mark.skipif(not BCCD.is_dir(), reason="the photos of blood cells are not here")
def test_boxes_of_blood_cells(tmp_path: Path) -> None:
    done = finished("bccd_detection", tmp_path, f"data.path={BCCD}", ptq=True)
    assert done.data.class_names == ("Platelets", "RBC", "WBC")
    check(done, "float", "int8")
