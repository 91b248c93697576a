"""No model file runs anything that came with it, whatever its format, until somebody trusts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.models import custom_objects, trust
from pipeline.models.load import load_file, load_for_conversion
from tests.models.hostile_files import EVIL, HOSTILE, MARK, archive, h5

OWN = """
import tf_keras

class Twice(tf_keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `evil.py` in it, which can be imported from here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text(EVIL)
    (tmp_path / "own_layers.py").write_text(OWN)
    yield tmp_path
    for name in ("evil", "own_layers"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_executes_nothing(place: Path, name: str) -> None:
    path = HOSTILE[name](place)
    (place / MARK).unlink(missing_ok=True)  # of its making
    for load in (load_file, load_for_conversion):
        with pytest.raises(InputError) as refused:
            load(path)
        assert not (place / MARK).exists()
        assert "evil" not in sys.modules
        message = str(refused.value)
        assert len(message) < 1000
        assert "--trust" in message or name == "the old name of the list"  # which nothing reads any more


def test_the_refusal_names_the_layer_and_the_way(place: Path) -> None:
    path = HOSTILE["Keras 2 Lambda, h5"](place)
    with pytest.raises(InputError, match=r"Python code in the layer 'victim' \(Lambda\).*--trust.*model.trust: true"):
        load_file(path)


def twice(path: Path) -> Path:
    """A model with a layer of the user's own, saved as this project saves it."""
    from own_layers import Twice  # type: ignore[import-not-found]

    from pipeline.models.backend import tf_keras

    inputs = tf_keras.Input((4,))
    model = tf_keras.Model(inputs, Twice(name="victim")(inputs))
    model.save(path)
    custom_objects.remember(model, path)
    return path


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_what_is_trusted_is_loaded(place: Path, name: str) -> None:
    path = twice(place / name)
    with pytest.raises(InputError, match=r"own_layers:Twice"):
        load_file(path)
    x = np.ones((1, 4), np.float32)
    np.testing.assert_allclose(load_file(path, trusted=True)(x), 2 * x)


def test_a_trusted_lambda_runs(place: Path) -> None:
    load_file(HOSTILE["Keras 2 Lambda, h5"](place), trusted=True)(np.ones((1, 4), np.float32))
    assert (place / MARK).exists()


@pytest.mark.parametrize("reference", ["subprocess:Popen", "os:system", "os:environ", "sys:modules"])
def test_what_no_model_is_made_of_is_refused_even_then(place: Path, reference: str) -> None:
    kind = reference.partition(":")[2]
    path = h5(place / "a.h5", {"class_name": kind, "config": {"name": "victim", "args": ["touch", MARK]}}, [reference])
    with pytest.raises(InputError, match=r"a model is not made of that|Keras 2 cannot load"):
        load_file(path, trusted=True)
    assert not (place / MARK).exists()


PLAIN: dict[str, dict[str, Any]] = {
    "an activation": {"class_name": "Activation", "config": {"name": "victim", "activation": "relu"}},
    "a layer of Keras 3": {"module": "keras.layers", "class_name": "ReLU", "config": {"name": "victim"}},
    "TensorFlow's arithmetic": {"class_name": "TFOpLambda", "config": {"name": "victim", "function": "math.tanh"}},
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_need_no_trust(place: Path, name: str) -> None:
    path = archive(place / "a.keras", PLAIN[name], keras3=name == "a layer of Keras 3")
    assert list(trust.code_in(path)) == []


def test_a_plain_saved_model_and_models_of_qat_need_none(place: Path, tmp_path: Path) -> None:
    import tensorflow_model_optimization as tfmot

    from tests.tiny_keras import model

    built = model()
    built.save(tmp_path / "saved", save_format="tf")
    tfmot.quantization.keras.quantize_model(built).save(tmp_path / "qat.h5")
    assert list(trust.code_in(tmp_path / "saved")) == []
    assert list(trust.code_in(tmp_path / "qat.h5")) == []


def test_damaged_files_are_left_to_whoever_loads_them(place: Path) -> None:
    for name, content in (("a.h5", b"\x89HDF\r\n\x1a\n"), ("a.keras", b"PK\x03\x04"), ("none.h5", None)):
        if content is not None:
            (place / name).write_bytes(content)
        assert list(trust.code_in(place / name)) == []
