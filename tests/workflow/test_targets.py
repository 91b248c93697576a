"""What a command's target is: a run folder, a file, a recipe, or the newest run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.files import write_bytes
from pipeline.workflow import targets
from pipeline.workflow.run_folder import Run
from pipeline.workflow.targets import locate
from tests.workflow.target_files import folder_of_runs, model_in_no_run, run_with_models  # noqa: F401


def test_a_run_folder_a_file_in_it_and_a_file_elsewhere(run: Run, file: Path) -> None:
    assert (locate(run.folder).run, locate(run.folder).is_run) == (run, True)
    assert (locate(run.path("x.tflite")).run, locate(run.path("x.tflite")).is_run) == (run, False)
    assert (locate(file).run, locate(file).is_run) == (None, False)


def test_nothing_given_is_the_newest_run(run: Run) -> None:
    assert locate(None) == locate(run.folder)


def test_nothing_given_and_no_run_yet(runs: Path) -> None:
    with pytest.raises(InputError, match="There is no run in"):
        locate(None)


def test_the_models_of_a_run_are_the_float_one_first_without_the_inner_ones(run: Run) -> None:
    for name in ("dynamic", "prepared", "qat"):
        write_bytes(run.path(f"{name}.tflite"), b"x")
    assert list(targets.model_files([run.folder])) == list(targets.model_files([])) == ["float", "dynamic", "int8"]
    assert targets.model_file(run.folder) == run.path("int8.tflite")


def test_files_of_the_same_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    files = [tmp_path / "a" / "int8.tflite", tmp_path / "b" / "int8.tflite"]
    assert targets.model_files(files) == {"int8": files[0], str(files[1]): files[1]}


def test_a_run_without_models_says_what_makes_them(runs: Path) -> None:
    empty = Run(runs / "empty")
    empty.describe()
    with pytest.raises(InputError, match="to the end"):
        targets.model_files([empty.folder])
    with pytest.raises(InputError, match=r"pipeline export --int8"):
        targets.model_file(empty.folder)


def test_the_float_model_beside(run: Run, file: Path) -> None:
    assert targets.float_beside(run.path("int8.tflite")) == run.path("float.tflite")
    assert targets.float_beside(run.path("float.tflite")) is None
    (file.parent / "float.tflite").touch()
    assert targets.float_beside(file) is None


def test_a_runs_file_is_called_after_the_run_where_others_lie_too(run: Run, file: Path) -> None:
    assert targets.name_outside(run.path("int8.tflite")) == "digits-int8.tflite"
    assert targets.name_outside(file) == "m.tflite"


def test_ranges_of_a_run_or_a_file(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no ranges\.json"):
        targets.ranges_file(run.folder)
    run.path("ranges.json").touch()
    assert targets.ranges_file(None) == run.path("ranges.json")
    assert targets.ranges_file(tmp_path / "mine.json") == tmp_path / "mine.json"


def test_the_recipe_of_a_file_is_its_runs_with_the_overrides_laid_over(run: Run, file: Path) -> None:
    files = [run.path("int8.tflite")]
    assert targets.recipe_of(None, ["data.limit=7"], files).data.limit == 7
    assert targets.recipe_of("mobilenet", [], files).name == "mobilenet"
    assert locate(run.folder).recipe(None, ["data.limit=7"]).data.limit == 7
    with pytest.raises(InputError, match="--recipe"):
        targets.recipe_of(None, [], [file])
