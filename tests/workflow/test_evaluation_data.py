"""`pipeline evaluate --data`: a file of which nothing is known, and data of any kind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.preprocess.recorded import standardized_section
from pipeline.errors import InputError
from pipeline.files import write_bytes
from pipeline.tflite import metadata
from pipeline.tflite.metadata import Metadata
from pipeline.workflow.evaluation_data import open_given
from pipeline.workflow.evaluation_stage import evaluate_files
from tests import tiny_models

RAW = ["data.preprocess.scale=raw"]
RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, (40, 8, 8, 1)).astype(np.uint8)
Y = np.arange(40) % 10


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_bytes(tmp_path / "m.tflite", tiny_models.digits())
    return tmp_path / "m.tflite"


@pytest.fixture
def described(model: Path) -> Path:
    """The model, which says that its pixels are scaled to 0..1 and calls its classes from the last to the first."""
    said = {"kind": "image", "scale": "0..1", "size": [8, 8], "channels": 1}
    labels = tuple(f"class {9 - place}" for place in range(10))
    write_bytes(model, metadata.write(model.read_bytes(), Metadata("m", labels=labels, preprocessing=said)))
    return model


def folder(root: Path) -> Path:
    for number, (image, label) in enumerate(zip(X, Y, strict=True)):
        path = root / f"class {label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return root


def test_data_without_splits_counts_as_a_whole(model, tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    found = evaluate_files([model], None, RAW, data=str(tmp_path / "d.npz"))
    assert found.blocks["m"]["n"] == 40
    assert found.task["name"] == "classification"


def test_a_split_that_the_data_has_is_used_alone(model, tmp_path):
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, x_test=X[:12], y_test=Y[:12])
    assert evaluate_files([model], None, RAW, data=str(tmp_path / "d.npz")).blocks["m"]["n"] == 12


def test_inputs_alone_are_enough_beside_a_reference(model, tmp_path):
    np.save(tmp_path / "d.npy", X)
    (tmp_path / "float.tflite").write_bytes(model.read_bytes())
    found = evaluate_files([model], None, RAW, tmp_path / "float.tflite", data=str(tmp_path / "d.npy"))
    assert found.blocks["m"]["agreement"] == 1
    with pytest.raises(InputError, match="nothing to judge"):
        evaluate_files([model], None, RAW, data=str(tmp_path / "d.npy"))


def test_the_scale_of_images_is_the_users_or_the_files_and_never_guessed(model, tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    with pytest.raises(InputError, match="scale must be said"):
        open_given(str(tmp_path / "d.npz"), model, [], "test")


def test_what_the_file_says_of_its_input_and_its_classes_is_done(described, tmp_path):
    _, data = open_given(str(folder(tmp_path / "d")), described, [], "test")
    assert data.class_names == tuple(f"class {9 - place}" for place in range(10))
    batch = next(iter(data.batches("test", 40)))
    assert batch.inputs["x"].max() == pytest.approx(16 / 255)
    assert sorted(data.labels("test").tolist()) == sorted(Y.tolist())
    assert data.splits["test"].where(int(np.flatnonzero(data.labels("test") == 0)[0])).split("/")[-2] == "class 9"
    _, told = open_given(str(folder(tmp_path / "d")), described, RAW, "test")
    assert next(iter(told.batches("test", 40))).inputs["x"].max() == 16


def test_a_recipe_is_data_too(model):
    recipe, data = open_given("mobilenet", model, [], "test")
    assert recipe.name == "mobilenet"
    assert set(data.splits) > {"test", "train"}


def test_names_that_are_not_utf8(model, tmp_path):
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.tflite"))
    strange.write_bytes(model.read_bytes())
    data = folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9")))
    [block] = evaluate_files([strange], None, [*RAW, "data.preprocess.channels=1"], data=str(data)).blocks.values()
    assert block["n"] == 40


def test_the_path_of_data_in_a_setting(model, tmp_path):
    data = folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9")))
    settings = ["data.source=folder", f"data.path={data}", "data.test=0.5"]
    recipe, _ = open_given("mobilenet", model, settings, "test")
    assert recipe.data.path == data


@pytest.mark.parametrize(
    ("file", "reference", "settings", "said"),
    [
        ("none.tflite", None, {}, r"There is no file .*none\.tflite"),
        ("none.tflite", None, {"data": "d.npz"}, r"There is no file .*none\.tflite"),
        ("m.tflite", "none.tflite", {"data": "d.npz"}, r"There is no file .*none\.tflite"),
        ("m.tflite", None, {}, "in no run folder: say which data to use with --data"),
        ("m.tflite", None, {"data": "none.npz"}, r"no data at 'none\.npz'"),
        ("m.tflite", None, {"data": "d.npz", "recipe": "mobilenet"}, "both name the data"),
    ],
)
def test_what_is_missing_is_named(model, tmp_path, monkeypatch, file, reference, settings, said):
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=X, y=Y)
    against = None if reference is None else Path(reference)
    with pytest.raises(InputError, match=said):
        evaluate_files([Path(file)], settings.get("recipe"), RAW, against, data=settings.get("data"))


def test_a_standardized_scale_is_one_scale():
    said = {"scale": "0..1", "standardize": {"mean": [0.5, 0.25], "std": [0.1, 0.2], "axis": -1}}
    section = standardized_section(said)
    x = np.array([10.0, 200.0])
    wanted = (x / 255 - [0.5, 0.25]) / [0.1, 0.2]
    np.testing.assert_allclose((x - np.array(section.mean)) / np.array(section.std), wanted)
