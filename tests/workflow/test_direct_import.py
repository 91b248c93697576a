"""What is only quantized after training is imported as it is: Keras 3, subclassed too, and SavedModels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import cli, recipe
from pipeline.errors import InputError
from pipeline.evaluation.fidelity import FidelityMeter
from pipeline.tensors import Outputs
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.workflow import stages
from pipeline.workflow.ladder_rungs import open_ladder
from pipeline.workflow.run_folder import Run
from pipeline.workflow.verification import verify

SIDES = (8, 8, 3)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (80, *SIDES)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, images: np.ndarray) -> Path:
    """functional.keras, subclassed.keras, exported/ and data.npz, which names the array as nothing in particular."""
    import keras

    from tests.workflow.keras3_subclassed import Subclassed

    place = tmp_path_factory.mktemp("keras3")
    keras.utils.set_random_seed(2)
    image = keras.Input(SIDES, name="image")
    features = keras.layers.Conv2D(8, 3, activation="relu")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    functional = keras.Model(image, keras.layers.Dense(4, name="scores")(pooled), name="functional")
    functional.save(place / "functional.keras")
    functional.export(place / "exported", verbose=False)
    subclassed = Subclassed()
    subclassed(images[:1])
    subclassed.save(place / "subclassed.keras")
    np.savez(place / "data.npz", photographs=images)
    return place


def answers_of(path: Path, images: np.ndarray) -> np.ndarray:
    from pipeline.models.load import load_for_conversion
    from pipeline.models.predictor import KerasPredictor

    return next(iter(KerasPredictor(load_for_conversion(path, trusted=True))({"x": images}).real.values()))


def sqnr(reference: np.ndarray, model: Path, images: np.ndarray) -> float:
    own = next(iter(Runner(model)({"x": images}).real.values()))
    meter = FidelityMeter()
    meter.add(Outputs.of_real({"y": reference}), Outputs.of_real({"y": own}))
    return meter.result()["y"].sqnr_db


@pytest.mark.parametrize("name", ["functional.keras", "subclassed.keras", "exported"])
def test_a_file_becomes_int8_from_an_array(
    folder: Path, images: np.ndarray, call: Callable[..., int], name: str, tmp_path: Path, capsys: Any
) -> None:
    assert call("export", folder / name, "--int8", "--data", folder / "data.npz", "--run", "made", "--trust") == 0
    run = Run(tmp_path / "runs" / "made")
    assert inspect(run.path("int8.tflite")).verdict.kind == "int8"
    assert sqnr(answers_of(folder / name, images), run.path("int8.tflite"), images) >= 30
    assert "agreement" in capsys.readouterr().out
    assert not run.path("float.keras").exists()


def test_verify_holds_the_original_file_against_the_rest(folder: Path, call: Callable[..., int]) -> None:
    target = folder / "subclassed.keras"
    assert call("export", target, "--int8", "--data", folder / "data.npz", "--run", "made", "--trust") == 0
    opened = open_ladder(None)
    assert opened.keras == target
    steps = verify(opened).steps
    assert [step.name for step in steps][:2] == ["keras", "float"]
    assert steps[1].above is not None
    assert steps[1].above.agreement > 0.999


def context(folder: Path, run: Path, said: list[str], **model: Any) -> stages.RunContext:
    content = {
        "name": "direct",
        "model": model,
        "data": {"source": "npz", "path": str(folder / "data.npz"), "inputs": {"x": {"from": "photographs"}}},
        "quantize": {"calibration": "min_max"},
    }
    return stages.RunContext(recipe.parse(content), Run(run), say=said.append)


def test_a_function_that_gives_a_keras_3_model_and_takes_its_size_from_the_data(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    model = {"function": "tests.workflow.keras3_subclassed:never_called"}
    opened = context(folder, tmp_path / "run", said, **model)
    stages.make_float_model(opened, with_qat=False)
    stages.formats(opened, ("int8",))
    assert any("[8, 8, 3]" in line or "(8, 8, 3)" in line for line in said)
    again: list[str] = []
    stages.make_float_model(context(folder, tmp_path / "run", again, **model), with_qat=False)
    assert any("as made before" in line for line in again)


def test_training_such_a_function_is_refused(folder: Path, tmp_path: Path) -> None:
    opened = context(folder, tmp_path / "run", [], function="tests.workflow.keras3_subclassed:never_called")
    with pytest.raises(InputError, match="tf_keras"):
        stages.train(opened)


class TestOpenDimensions:
    """A fully convolutional model, and one that only runs at one size."""

    @pytest.fixture(scope="class")
    def models(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        import keras

        place = tmp_path_factory.mktemp("open")
        keras.utils.set_random_seed(4)
        image = keras.Input((None, None, 3), name="image")
        features = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
        keras.Model(image, keras.layers.Conv2D(2, 1)(features)).save(place / "everywhere.keras")
        flat = keras.layers.Reshape((8 * 8 * 4,))(features)
        keras.Model(image, keras.layers.Dense(2)(flat)).save(place / "somewhere.keras")
        return place

    def test_sides_stay_open_where_the_int8_model_runs_so(self, models: Path, folder: Path, tmp_path: Path) -> None:
        said: list[str] = []
        opened = context(folder, tmp_path / "run", said, path=str(models / "everywhere.keras"))
        stages.make_float_model(opened, with_qat=False)
        written = stages.formats(opened, ("int8",))["int8"]
        assert inspect(written).inputs[0].shape_signature[1:3] == (-1, -1)
        assert any("stays open" in line and "[8, 8, 3]" in line for line in said)
        larger = np.zeros((1, 12, 20, 3), np.float32)
        assert next(iter(Runner(written)({"image": larger}).real.values())).shape == (1, 12, 20, 2)

    def test_else_the_data_says_the_size(self, models: Path, folder: Path, tmp_path: Path) -> None:
        said: list[str] = []
        opened = context(folder, tmp_path / "run", said, path=str(models / "somewhere.keras"))
        stages.make_float_model(opened, with_qat=False)
        written = stages.formats(opened, ("int8",))["int8"]
        assert inspect(written).inputs[0].shape_signature[1:] == (8, 8, 3)
        assert any("fixed at the data's size" in line for line in said)

    def test_the_recipe_says_another_size(self, models: Path, folder: Path, tmp_path: Path) -> None:
        opened = context(
            folder,
            tmp_path / "run",
            [],
            path=str(models / "everywhere.keras"),
            input_sizes={"image": [8, 8, 3]},
        )
        stages.make_float_model(opened, with_qat=False)
        assert inspect(opened.run.path("float.tflite")).inputs[0].shape_signature[1:] == (8, 8, 3)

    def test_without_a_size_or_data_it_says_what_is_missing(
        self, models: Path, call: Callable[..., int], tmp_path: Path, capsys: Any
    ) -> None:
        assert call("export", models / "somewhere.keras", "--float16") == 2
        assert "'image' [?, ?, 3]" in " ".join(capsys.readouterr().err.split())
        assert not list(tmp_path.glob("runs/*/*"))
        sizes = ["--set", "model.input_sizes={image: [8, 8, 3]}"]
        assert call("export", models / "somewhere.keras", "--float16", *sizes) == 0
