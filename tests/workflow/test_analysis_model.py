"""What is analyzed: a run as it wrote itself, or a float file with somebody's data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from pipeline.recipe import Data
from pipeline.tensors import only
from pipeline.workflow.analysis_model import open_for_analysis
from pipeline.workflow.run_folder import Run
from tests.quantization.sensitivity import models

RECIPE = {
    "name": "digits",
    "model": {},
    "data": {"source": "digits", "limit": 90, "calibration": 40, "preprocess": {"scale": "0..1"}},
}
RANGES = Ranges({"x": (0.0, 1.0), "hidden": (-2.0, 2.0)}, "by hand")


@pytest.fixture(autouse=True)
def no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of digits with a prepared float model."""
    made = Run(tmp_path / "runs" / "digits")
    made.describe(recipe=RECIPE)
    made.path("prepared.tflite").write_bytes(models.digits())
    RANGES.save(made.path("ranges.json"))
    made.record("flatbuffers", "key", ["prepared.tflite", "ranges.json"], 0.0)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A float model in no run."""
    (tmp_path / "model.tflite").write_bytes(models.digits())
    return tmp_path / "model.tflite"


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "recipe.yaml").write_text(json.dumps(RECIPE))
    return str(tmp_path / "recipe.yaml")


def calibration() -> np.ndarray:
    return np.concatenate(
        [only(batch.inputs) for batch in load(Data.model_validate(RECIPE["data"])).batches("calibration", 32)]
    )


def test_a_run_is_its_prepared_float_model_and_its_own_ranges(run: Run) -> None:
    found = open_for_analysis(run.folder, None, [], 8)
    assert (found.content, found.ranges) == (models.digits(), RANGES)
    assert found.export == (str(run.folder),)


def test_the_newest_run_is_the_default(run: Run) -> None:
    assert open_for_analysis(None, None, [], 8).export == (str(run.folder),)


@pytest.mark.parametrize("count", [1, 8, 32, 35, 1000])
def test_the_examples_are_the_first_of_the_calibration_split(run: Run, count: int) -> None:
    found = np.concatenate([batch["x"] for batch in open_for_analysis(run.folder, None, [], count).batches])
    np.testing.assert_array_equal(found, calibration()[:count])


def test_settings_are_laid_over_the_runs_recipe(run: Run) -> None:
    [batch] = open_for_analysis(run.folder, None, ["data.preprocess.scale=-1..1"], 4).batches
    assert batch["x"].min() == -1


def test_no_run_at_all() -> None:
    with pytest.raises(InputError, match="There is no run"):
        open_for_analysis(None, None, [], 8)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        open_for_analysis(tmp_path, None, [], 8)


@pytest.mark.parametrize("name", ["prepared.tflite", "ranges.json"])
def test_a_run_that_has_no_float_model_yet(run: Run, name: str) -> None:
    run.path(name).unlink()
    with pytest.raises(InputError, match="run its recipe to the end"):
        open_for_analysis(run.folder, None, [], 8)


def test_files_that_the_run_never_recorded_are_none(run: Run) -> None:
    """It was stopped while it wrote them."""
    run.forget("flatbuffers")
    with pytest.raises(InputError, match="run its recipe to the end"):
        open_for_analysis(run.folder, None, [], 8)


@pytest.mark.parametrize("name", ["prepared.tflite", "ranges.json"])
def test_a_file_that_was_changed_since_is_refused_by_name(run: Run, name: str) -> None:
    run.path(name).write_bytes(run.path(name).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"did not write its {name} as found"):
        open_for_analysis(run.folder, None, [], 8)


def test_a_file_takes_a_recipes_data_and_min_max_ranges_of_the_whole_split(file: Path, recipe: str) -> None:
    found = open_for_analysis(file, recipe, [], 4)
    assert found.ranges == calibrate(models.digits(), [{"x": calibration()}])
    assert sum(len(batch["x"]) for batch in found.batches) == 4


def test_a_file_is_exported_with_the_same_recipe_and_settings(file: Path, recipe: str) -> None:
    settings = ["data.preprocess={scale: 0..1}", "data.limit=80"]
    asked = ["--recipe", recipe, "--set", settings[0], "--set", settings[1]]
    assert open_for_analysis(file, recipe, settings, 4).export == (str(file), *asked)


def test_a_file_in_a_run_takes_the_runs_recipe(run: Run) -> None:
    run.path("float.tflite").write_bytes(models.digits())
    found = open_for_analysis(run.path("float.tflite"), None, [], 4)
    assert found.ranges == calibrate(models.digits(), [{"x": calibration()}])
    assert found.export == (str(run.folder),)


def test_a_file_in_no_run_needs_a_recipe(file: Path) -> None:
    with pytest.raises(InputError, match="--recipe"):
        open_for_analysis(file, None, [], 4)


def test_data_of_another_shape_is_refused(file: Path, recipe: str) -> None:
    with pytest.raises(InputError, match=r"8, 8, 1"):
        open_for_analysis(file, recipe, ["data.preprocess.size=[4, 4]"], 4)


def test_a_quantized_file_is_refused(file: Path, recipe: str) -> None:
    file.write_bytes(write(models.digits(), "int8", calibrate(models.digits(), [{"x": calibration()}])))
    with pytest.raises(InputError, match="quantized already"):
        open_for_analysis(file, recipe, [], 4)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.tflite", None, "no file"),
        ("model.keras", b"PK\3\4 something", "not a Keras model"),
        ("cut.tflite", models.digits()[:300], "truncated"),
    ],
)
def test_what_is_no_float_model_is_refused(
    tmp_path: Path, recipe: str, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        open_for_analysis(tmp_path / name, recipe, [], 4)
