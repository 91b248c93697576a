from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.workflow.bundle_target import resolve
from pipeline.workflow.run_folder import LABELS, Run
from tests import tiny_models


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with an int8 model, the only one."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    run = Run(tmp_path / "runs" / "digits")
    run.describe(recipe={"name": "digits", "model": {}, "data": {"source": "digits"}})
    run.path("int8.tflite").write_bytes(tiny_models.digits())
    run.path(LABELS).write_text("zero\none\n")
    return run


def test_a_run_gives_its_int8_model_its_recipe_and_its_labels(digits: Run) -> None:
    found = resolve(digits.folder, None, ["data.limit=5"], noise=False)
    assert found.model == digits.path("int8.tflite")
    assert found.name == "digits-int8"
    assert found.labels == ("zero", "one")
    assert found.recipe is not None
    assert found.recipe.data.limit == 5
    assert resolve(None, None, [], noise=False).model == found.model


def test_noise_does_without_the_recipe_s_data(digits: Run) -> None:
    assert resolve(digits.folder, None, [], noise=True).recipe is None


def test_a_file_in_no_run_has_the_recipe_that_is_given(digits: Run, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(tiny_models.digits())
    found = resolve(tmp_path / "m.tflite", None, [], noise=False)
    assert (found.recipe, found.labels, found.name) == (None, (), "m")
    recipe = resolve(tmp_path / "m.tflite", "mobilenet", [], noise=False).recipe
    assert recipe is not None
    assert recipe.name == "mobilenet"


@pytest.mark.parametrize(
    ("target", "recipe", "overrides", "noise", "message"),
    [
        ("none.tflite", None, [], False, "no model"),
        ("m.keras", None, [], False, "no .tflite file"),
        ("m.tflite", "mobilenet", [], True, "--noise does without"),
        ("m.tflite", None, ["data.limit=1"], False, "say which with --recipe"),
        ("m.tflite", "mobilnet", [], False, "mobilenet"),
    ],
)
def test_contradictions_are_input_errors(
    digits: Run, tmp_path: Path, target: str, recipe: str | None, overrides: list[str], noise: bool, message: str
) -> None:
    for name in ("m.tflite", "m.keras"):
        (tmp_path / name).write_bytes(tiny_models.digits())
    with pytest.raises(InputError, match=message):
        resolve(tmp_path / target, recipe, overrides, noise=noise)
