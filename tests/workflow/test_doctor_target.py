"""What `pipeline doctor` without --data may be pointed at, told apart without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.workflow.doctor_target import keras_model
from pipeline.workflow.run_folder import Run


def test_a_model_file(tmp_path: Path) -> None:
    (tmp_path / "model.keras").touch()
    source, configs = keras_model(tmp_path / "model.keras", ["qat.configs={Mine: module:Class}"])
    assert source == tmp_path / "model.keras"
    assert configs == {"Mine": "module:Class"}


def test_a_saved_model_folder(tmp_path: Path) -> None:
    assert keras_model(tmp_path, [])[0] == tmp_path


def test_a_run_has_its_float_model_and_its_configs(tmp_path: Path) -> None:
    run = Run(tmp_path / "mine")
    run.describe(recipe={"name": "mine", "model": {"name": "MobileNet"}, "qat": {"configs": {"a": "b:C"}}})
    with pytest.raises(InputError, match=r"no float\.keras"):
        keras_model(run.folder, [])
    run.path("float.keras").touch()
    assert keras_model(run.folder, []) == (run.path("float.keras"), {"a": "b:C"})


def test_a_recipe_says_how_its_model_is_built() -> None:
    source, configs = keras_model(Path("mobilenet"), [])
    assert isinstance(source, Recipe)
    assert configs == {}


@pytest.mark.parametrize(
    ("name", "says"),
    [("gone.keras", "no 'gone.keras'"), ("model.tflite", "pipeline inspect"), ("mobilenett", "mobilenet")],
)
def test_what_is_not_there_or_no_keras_model(name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        keras_model(Path(name), [])
