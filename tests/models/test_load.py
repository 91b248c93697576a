"""Files that are damaged or are something else than a model: each is named, none is an accident."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError

ROOT = Path(__file__).parents[2]


def load(path: Path) -> Any:
    from pipeline.models.load import load_file

    return load_file(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tiny model as two.keras, two.h5, and a Keras 3 model as three.keras and three.h5."""
    import keras

    from tests.tiny_keras import model

    folder = tmp_path_factory.mktemp("saved")
    inputs = keras.Input((8, 8, 1))
    three = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(inputs)))
    two = model()
    for suffix in ("keras", "h5"):
        two.save(folder / f"two.{suffix}")
        three.save(folder / f"three.{suffix}")
    return folder


NAMES = ["two.keras", "two.h5", "three.keras", "three.h5"]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_file_loads_as_tf_keras(saved: Path, name: str) -> None:
    from pipeline.models.backend import tf_keras

    assert isinstance(load(saved / name), tf_keras.Model)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9], ids=lambda share: f"{share:.0%}")
def test_a_truncated_file_is_named(saved: Path, name: str, share: float, tmp_path: Path) -> None:
    content = (saved / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=name):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["two.keras", "three.keras"])
def test_a_file_damaged_in_its_middle_is_named(saved: Path, name: str, tmp_path: Path) -> None:
    content = bytearray((saved / name).read_bytes())
    with zipfile.ZipFile(saved / name) as archive:
        start = archive.getinfo("config.json").header_offset + 60
    content[start : start + 200] = bytes(200)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        load(tmp_path / name)


@pytest.mark.parametrize("metadata", ["", "{", "[]", json.dumps({"keras_version": None})])
def test_an_archive_with_damaged_metadata_is_named(metadata: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "odd.keras", "w") as archive:
        archive.writestr("metadata.json", metadata)
    with pytest.raises(InputError, match=r"odd\.keras"):
        load(tmp_path / "odd.keras")


def test_an_archive_of_something_else_is_no_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="archive of NumPy arrays, no model"):
        load(tmp_path / "data.npz")


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
def test_weights_alone_are_told_how_to_be_used(tmp_path: Path, name: str) -> None:
    from tests.tiny_keras import model

    model().save_weights(tmp_path / name)
    with pytest.raises(InputError, match=r"model\.weights="):
        load(tmp_path / name)


def test_a_layer_of_the_users_own_is_named_with_the_remedy(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras

    class Mine(tf_keras.layers.Layer):  # type: ignore[misc]
        pass

    tf_keras.Sequential([tf_keras.Input((3,)), Mine()]).save(tmp_path / "mine.keras")
    with pytest.raises(InputError, match=r"Mine.*module:function"):
        load(tmp_path / "mine.keras")


@pytest.mark.parametrize("make", ["folder", "nothing"])
def test_what_is_no_file_is_named(tmp_path: Path, make: str) -> None:
    if make == "folder":
        (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=make):
        load(tmp_path / make)


@pytest.mark.parametrize("loader", ["load_file", "load_for_conversion"])
def test_a_qat_model_loads_in_a_process_that_never_trained(qat: tuple[Path, list[str]], loader: str) -> None:
    """Keras must know the classes of its quantizers, whoever asks for the model."""
    path, layers = qat
    code = (
        f"from pathlib import Path; from pipeline.models.load import {loader}\n"
        f"print([layer.name for layer in {loader}(Path({str(path)!r})).layers])\n"
        "import sys; assert 'pipeline.training' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == str(layers)


@pytest.fixture(scope="module")
def qat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A file with layers and quantizers of this project's own, and the names of the model's layers."""
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware

    layers = tf_keras.layers
    inputs = tf_keras.Input((4, 6))
    x = layers.LayerNormalization()(layers.Dense(6, activation="swish")(inputs))
    made = quantize_aware(tf_keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x * 2.0))))
    path = tmp_path_factory.mktemp("qat") / "qat.h5"
    made.save(path)
    return path, [layer.name for layer in made.layers]
