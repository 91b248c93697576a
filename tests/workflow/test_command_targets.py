"""What each command takes its target for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.workflow.command_targets import for_bundle, for_data, for_keras_model, for_ladder, has_recipe
from pipeline.workflow.run_folder import Run
from tests.workflow.target_files import RECIPE, folder_of_runs, model_in_no_run, run_with_models  # noqa: F401


class TestForBundle:
    def test_a_run_gives_its_int8_model_its_recipe_and_its_labels(self, run: Run) -> None:
        found = for_bundle(run.folder, None, ["data.limit=5"], noise=False)
        assert (found.model, found.name, found.labels) == (run.path("int8.tflite"), "digits-int8", ("zero", "one"))
        assert found.recipe is not None
        assert found.recipe.data.limit == 5
        assert for_bundle(None, None, [], noise=False).model == found.model

    def test_noise_does_without_the_recipes_data(self, run: Run) -> None:
        assert for_bundle(run.folder, None, [], noise=True).recipe is None

    def test_a_file_in_no_run_has_the_recipe_that_is_given(self, file: Path) -> None:
        found = for_bundle(file, None, [], noise=False)
        assert (found.recipe, found.labels, found.name) == (None, (), "m")
        recipe = for_bundle(file, "mobilenet", [], noise=False).recipe
        assert recipe is not None
        assert recipe.name == "mobilenet"

    @pytest.mark.parametrize(
        ("name", "recipe", "overrides", "noise", "message"),
        [
            ("none.tflite", None, [], False, "There is no file .*none.tflite"),
            ("m.keras", None, [], False, "no .tflite file"),
            ("m.tflite", "mobilenet", [], True, "--noise does without"),
            ("m.tflite", None, ["data.limit=1"], False, "say which with --recipe"),
            ("m.tflite", "mobilnet", [], False, "mobilenet"),
        ],
    )
    def test_contradictions(
        self, file: Path, name: str, recipe: str | None, overrides: list[str], noise: bool, message: str
    ) -> None:
        file.with_suffix(".keras").write_bytes(b"x")
        with pytest.raises(InputError, match=message):
            for_bundle(file.with_name(name), recipe, overrides, noise=noise)


class TestForData:
    def test_of_a_run_it_is_the_float_model(self, run: Run) -> None:
        found = for_data(None, None, ["data.limit=5"])
        assert (found.model, found.described) == (run.path("float.tflite"),) * 2
        assert found.recipe.data.limit == 5

    def test_after_qat_it_is_the_prepared_one_which_calibration_did_not_change(self, run: Run) -> None:
        run.path("prepared.tflite").touch()
        assert for_data(run.folder, None, []).model == run.path("float.tflite")
        run.path("qat.tflite").touch()
        found = for_data(run.folder, None, [])
        assert (found.model, found.described) == (run.path("prepared.tflite"), run.path("float.tflite"))

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("gone.tflite", "There is no"),
            ("m.keras", "pipeline export .* --float32"),
            ("m.txt", "is neither"),
            ("m.tflite", "--recipe"),
            (".", "is no run folder"),
        ],
    )
    def test_what_is_no_model_or_has_no_data(self, file: Path, name: str, says: str) -> None:
        for suffix in (".keras", ".txt"):
            file.with_suffix(suffix).write_bytes(b"x")
        with pytest.raises(InputError, match=says):
            for_data(file.parent / name, None, [])

    def test_a_run_that_was_stopped_before_the_export(self, run: Run) -> None:
        run.path("float.tflite").unlink()
        with pytest.raises(InputError, match=r"no float\.tflite yet"):
            for_data(run.folder, None, [])


class TestForKerasModel:
    def test_a_model_file_and_the_configs_that_are_set(self, file: Path) -> None:
        model = file.with_suffix(".keras")
        model.write_bytes(b"x")
        found = for_keras_model(model, ["qat.configs={Mine: module:Class}"])
        assert (found.source, found.configs) == (model, {"Mine": "module:Class"})

    def test_a_saved_model_folder(self, tmp_path: Path) -> None:
        assert for_keras_model(tmp_path, []).source == tmp_path

    def test_a_run_has_its_float_model_and_its_configs(self, run: Run) -> None:
        run.describe(recipe={**RECIPE, "qat": {"configs": {"a": "b:C"}}})
        with pytest.raises(InputError, match=r"no float\.keras"):
            for_keras_model(run.folder, [])
        run.path("float.keras").touch()
        found = for_keras_model(run.folder, [])
        assert (found.source, found.configs) == (run.path("float.keras"), {"a": "b:C"})

    def test_a_recipe_says_how_its_model_is_built(self) -> None:
        found = for_keras_model(Path("mobilenet"), [])
        assert isinstance(found.source, Recipe)
        assert found.configs == {}

    @pytest.mark.parametrize(
        ("name", "says"),
        [("gone.keras", "no 'gone.keras'"), ("model.tflite", "pipeline inspect"), ("mobilenett", "mobilenet")],
    )
    def test_what_is_not_there_or_no_keras_model(
        self, name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("model.tflite").write_bytes(b"\x1c\0\0\0TFL3")
        with pytest.raises(InputError, match=says):
            for_keras_model(Path(name), [])


class TestForLadder:
    def test_a_runs_files(self, run: Run) -> None:
        run.path("prepared.tflite").touch()
        run.path("float.keras").touch()
        found = for_ladder(None)
        assert (found.model, found.float_model, found.run) == (run.path("int8.tflite"), run.path("float.tflite"), run)
        assert (found.prepared, found.keras, found.qat) == (run.path("prepared.tflite"), run.path("float.keras"), None)
        assert for_ladder(None, keras=False).keras is None

    def test_qat_stands_in_the_place_of_the_prepared_model(self, run: Run) -> None:
        for name in ("prepared.tflite", "qat.tflite", "qat.h5"):
            run.path(name).touch()
        found = for_ladder(run.folder)
        assert (found.prepared, found.qat, found.keras_qat) == (None, run.path("qat.tflite"), run.path("qat.h5"))

    def test_an_old_qat_model_beside_a_ptq_model_is_left_out(self, run: Run) -> None:
        run.path("qat.h5").touch()
        assert for_ladder(run.folder).keras_qat is None

    def test_a_given_reference_takes_the_place_of_the_runs_models(self, run: Run, file: Path) -> None:
        run.path("prepared.tflite").touch()
        found = for_ladder(run.folder, file)
        assert (found.float_model, found.prepared) == (file, None)

    def test_without_a_float_model(self, run: Run, file: Path) -> None:
        run.path("float.tflite").unlink()
        with pytest.raises(InputError, match=r"no float model .*--reference .*the run has no float\.tflite"):
            for_ladder(run.folder)
        with pytest.raises(InputError, match="--recipe"):
            for_ladder(file)

    def test_whether_there_is_data(self, run: Run, file: Path) -> None:
        assert has_recipe(run.folder, None)
        assert has_recipe(file, "mobilenet")
        assert not has_recipe(file, None)
