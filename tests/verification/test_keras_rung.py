"""A Keras model as a rung, and the look from it into its .tflite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import Activations
from pipeline.verification.inside import Inside, look_inside
from pipeline.verification.keras_rung import KerasRung


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A Keras model, and the same as .tflite."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from tests.tiny_keras import model

    tf_keras.utils.set_random_seed(0)
    made = model()
    path = tmp_path_factory.mktemp("keras") / "float.h5"
    made.save(path)
    return path, to_flatbuffer(made)


def looked(rung: KerasRung, content: bytes, images: np.ndarray) -> Inside:
    lower = Activations(content, "xnnpack")
    return look_inside(
        "float",
        "keras",
        rung.activations(lower.listed),
        lower,
        [{"x": image} for image in images[:4]],
        sqnr_db=20,
        lsb=1,
    )


def test_it_answers_any_number_of_examples(files: tuple[Path, bytes], images: np.ndarray) -> None:
    rung = KerasRung("keras", "the model", files[0])
    (output,) = rung.signature.outputs
    found = [rung({"x": images[:count]}).real[output.name] for count in (1, 5)]
    assert [scores.shape for scores in found] == [(1, 10), (5, 10)]
    np.testing.assert_allclose(found[1].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)


@pytest.fixture(scope="module", params=["list", "dict"])
def two_ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image and token ids in, two outputs."""
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    image, tokens = tf_keras.Input((4, 4, 1), name="image"), tf_keras.Input((3,), dtype="int32", name="tokens")
    flat = layers.Flatten(name="flat")(image)
    looked_up = layers.Embedding(16, 1, weights=[2.0 * np.arange(16)[:, None]], name="table")(tokens)
    total = layers.Flatten(name="doubled")(looked_up)
    outputs = {"pixels": flat, "ids": total} if request.param == "dict" else [flat, total]
    made = tf_keras.Model([image, tokens], outputs)
    path = tmp_path_factory.mktemp("keras") / "two.h5"
    made.save(path)
    return path


def test_inputs_and_outputs_have_kerass_names(two_ended: Path) -> None:
    rung = KerasRung("keras", "the model", two_ended)
    assert [(spec.name, spec.dtype.name) for spec in rung.signature.inputs] == [
        ("image", "float32"),
        ("tokens", "int32"),
    ]
    assert rung.signature.input("image").shape == (-1, 4, 4, 1)
    x, ids = np.random.default_rng(0).normal(size=(5, 4, 4, 1)), np.arange(15).reshape(5, 3)
    found = rung({"tokens": ids, "image": x}).real
    assert list(found) == [spec.name for spec in rung.signature.outputs]
    by_size = {array.shape[1]: array for array in found.values()}
    np.testing.assert_allclose(by_size[16], x.reshape(5, 16), rtol=1e-6)
    np.testing.assert_array_equal(by_size[3], 2 * ids)


def test_inputs_that_the_model_does_not_take(two_ended: Path) -> None:
    rung = KerasRung("keras", "the model", two_ended)
    x, ids = np.zeros((2, 4, 4, 1)), np.zeros((2, 3), np.int32)
    with pytest.raises(InputError, match=r"no input 'imgae'.*Did you mean 'image'"):
        rung({"imgae": x, "tokens": ids})
    with pytest.raises(InputError, match=r"takes \[4, 4, 1\] as 'image' and was given \[5, 4, 1\]"):
        rung({"image": np.zeros((2, 5, 4, 1)), "tokens": ids})
    with pytest.raises(InputError, match="'tokens' takes int32 as it is"):
        rung({"image": x, "tokens": ids + 0.5})


def test_all_inputs_stand_first_in_the_look_inside(two_ended: Path) -> None:
    run = KerasRung("keras", "the model", two_ended).activations([])
    names = [activation.name for activation in run.listed]
    assert names[:2] == ["image", "tokens"]
    assert set(names[2:]) == {"flat", "table", "doubled"}
    found = dict(zip(names, run({"tokens": np.arange(3), "image": np.ones((4, 4, 1))}), strict=True))
    assert (found["image"].shape, found["tokens"].dtype.name, found["flat"].shape) == ((1, 4, 4, 1), "int32", (1, 16))
    assert found["doubled"].tolist() == [[0, 2, 4]]


def test_the_conversion_changes_no_layer(files: tuple[Path, bytes], images: np.ndarray) -> None:
    found = looked(KerasRung("keras", "the model", files[0]), files[1], images)
    assert found.first is None
    kinds = [gap.operator for gap in found.tensors]
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "SOFTMAX"} <= set(kinds)
    assert min(gap.sqnr_db for gap in found.tensors) > 80


def test_the_layer_that_a_conversion_broke_is_named(files: tuple[Path, bytes], images: np.ndarray) -> None:
    model: Any = flatbuffer.read(files[1])
    graph = model.subgraphs[0]
    operator = next(op for op in graph.operators if flatbuffer.operator_name(model, op) == "DEPTHWISE_CONV_2D")
    weights = graph.tensors[operator.inputs[1]]
    stored = -np.array(flatbuffer.tensor_data(model, weights))
    model.buffers[weights.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)
    found = looked(KerasRung("keras", "the model", files[0]), flatbuffer.serialize(model), images)
    assert found.first is not None
    assert found.first.operator == "DEPTHWISE_CONV_2D"


def test_a_model_of_keras_3_answers_and_shows_its_layers(tmp_path: Path) -> None:
    import keras

    image = keras.Input((4, 4, 1), name="image")
    twice = keras.layers.ReLU(name="twice")
    flat = keras.layers.Flatten(name="flat")(twice(twice(image)))
    keras.Model({"image": image}, keras.layers.Dense(2, name="scores")(flat)).save(tmp_path / "three.keras")
    rung = KerasRung("keras", "the model", tmp_path / "three.keras")
    assert rung({"image": np.zeros((3, 4, 4, 1))}).real["scores"].shape == (3, 2)
    run = rung.activations([])
    assert [(activation.name, activation.operator) for activation in run.listed] == [
        ("image", "INPUT"),
        ("flat", "Flatten"),
        ("scores", "Dense"),
    ]
    x = np.arange(-8, 8, dtype=np.float32).reshape(4, 4, 1)
    np.testing.assert_array_equal(run({"image": x})[1], np.maximum(x, 0).reshape(1, 16))


SUBCLASSED = """
import keras

class OnePlus(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x) + 1
"""


def test_a_subclassed_model_answers_and_hides_its_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    (tmp_path / "one_plus.py").write_text(SUBCLASSED)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("one_plus").OnePlus(name="mine")
    x = np.ones((3, 4), np.float32)
    expected = np.asarray(made(x))
    made.save(tmp_path / "mine.keras")
    rung = KerasRung("keras", "the model", tmp_path / "mine.keras", trusted=True)
    (output,) = rung({"x": x}).real.values()
    np.testing.assert_allclose(output, expected, rtol=1e-6)
    assert not rung.has_layers
    with pytest.raises(InputError, match="the subclassed model 'mine'"):
        rung.activations([])
