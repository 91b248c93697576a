"""`.keras` files of Keras 2 load with the weights they were saved with, whichever version wrote them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.errors import InputError

EARLY = "_layer_checkpoint_dependencies"


@pytest.fixture(scope="module")
def model() -> Any:
    """Several layers of one class, a model in it, and a layer that is reached by two attributes."""
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    inputs = tf_keras.Input((6, 6, 2))
    inner = tf_keras.Sequential([layers.Input((6, 6, 4)), layers.Conv2D(4, 1), layers.Conv2D(4, 1)], name="inner")
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = inner(layers.ReLU()(layers.Conv2D(4, 3, padding="same")(x)))
    x = layers.Bidirectional(layers.GRU(3))(layers.Reshape((6, 24))(x))
    made = tf_keras.Model(inputs, layers.Dense(2)(layers.Dense(5)(x)))
    made.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in made.get_weights()])
    made.compile("adam", "mse")
    return made


def moved(weights: h5py.File, step: int) -> None:
    """Put every list of layers where TensorFlow 2.12 to 2.14 put it.

    Args:
        weights: Of the model above, as it is written today.
        step: How far the numbers of two layers of a class with weights are apart: 2 up to TensorFlow 2.13, which lists
            such layers twice.
    """
    for place in ("layers/sequential", ""):
        group = weights[place] if place else weights
        group.move("layers", EARLY)
        layers = group[EARLY]
        for name in [name for name in layers if name[-1].isdigit() and name.rpartition("_")[2].isdigit()]:
            stem, _, number = name.rpartition("_")
            layers.move(name, f"{stem}_{step * int(number)}")


def write_early(model: Any, path: Path, step: int) -> None:
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    inside = path.parent / "model.weights.h5"
    inside.write_bytes(content["model.weights.h5"])
    with h5py.File(inside, "a") as weights:
        moved(weights, step)
    content["model.weights.h5"] = inside.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def same_answers(one: Any, other: Any) -> None:
    x = np.random.default_rng(2).normal(size=(3, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(one.predict(x, verbose=0), other.predict(x, verbose=0))


@pytest.mark.parametrize("step", [1, 2], ids=["TensorFlow 2.14", "TensorFlow 2.12 and 2.13"])
def test_an_early_file_loads_as_what_was_saved(model: Any, step: int, tmp_path: Path) -> None:
    from pipeline.models.load import load_file, load_for_conversion

    write_early(model, tmp_path / "early.keras", step)
    same_answers(load_file(tmp_path / "early.keras"), model)
    same_answers(load_for_conversion(tmp_path / "early.keras"), model)
    assert load_file(tmp_path / "early.keras", compiled=True).loss == "mse"


@pytest.mark.parametrize("step", [1, 2])
def test_early_weights_go_into_their_architecture(model: Any, step: int, tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.weights import load_weights

    model.save_weights(tmp_path / "early.weights.h5")
    with h5py.File(tmp_path / "early.weights.h5", "a") as weights:
        moved(weights, step)
    other = tf_keras.models.clone_model(model)
    load_weights(other, tmp_path / "early.weights.h5")
    same_answers(other, model)


def test_an_early_file_of_another_model_is_refused(model: Any, tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.weights import load_weights

    write_early(model, tmp_path / "early.keras", 1)
    other = tf_keras.Sequential([tf_keras.Input((6, 6, 2)), tf_keras.layers.Conv2D(7, 3)])
    with pytest.raises(InputError, match="do not fit"):
        load_weights(other, tmp_path / "early.keras")


def test_todays_file_loads_under_any_name(model: Any, tmp_path: Path) -> None:
    from pipeline.models.load import load_file

    model.save(tmp_path / "now.keras")
    same_answers(load_file((tmp_path / "now.keras").rename(tmp_path / "now.model")), model)


def test_tfmots_wrappers_keep_weights_and_ranges(plain_qat: Path) -> None:
    from pipeline.models.load import load_file

    of_h5, of_keras = load_file(plain_qat / "qat.h5"), load_file(plain_qat / "qat.keras")
    x = np.load(plain_qat / "data.npz")["x"]
    np.testing.assert_array_equal(of_keras.predict(x, verbose=0), of_h5.predict(x, verbose=0))
