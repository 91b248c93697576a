"""What is computed from shapes and constants is a constant, wherever the inputs' sizes say what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_folding import fold_constants
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.tiny_models import Graph


@pytest.fixture(scope="module")
def computed() -> bytes:
    """A model whose Reshape asks for its batch while it runs, straight from TensorFlow's converter."""
    from pipeline.models.backend import quiet_tensorflow, tf, tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential([tf_keras.Input((4, 4, 1)), layers.Conv2D(3, 3), layers.Reshape((12,))])
    with quiet_tensorflow():
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def names(content: bytes) -> list[str]:
    model = flatbuffer.read(content)
    return [flatbuffer.operator_name(model, operator) for operator in model.subgraphs[0].operators]


def test_the_chain_goes_and_the_reshape_stays(computed: bytes) -> None:
    assert "PACK" in names(computed)
    assert names(fold_constants(computed)) == ["CONV_2D", "RESHAPE"]


@pytest.mark.parametrize("batch", [1, 5])
def test_the_answer_is_the_same_at_any_batch(computed: bytes, batch: int) -> None:
    x = np.random.default_rng(0).normal(size=(batch, 4, 4, 1)).astype(np.float32)
    before = answer(Runner(computed, batch=batch), x)
    after = answer(Runner(fold_constants(computed), batch=batch), x)
    np.testing.assert_array_equal(after, before)


def test_a_model_without_one_is_given_back_as_it_is(computed: bytes) -> None:
    mended = fold_constants(computed)
    assert fold_constants(mended) is mended


SIDES = {"shape": (6, 6, 3), "line": (11, 3)}
SHAPE_ARITHMETIC = {"SHAPE", "STRIDED_SLICE", "PACK", "FILL", "RANGE", "CAST", "EXPAND_DIMS", "SQUEEZE"}


def shaped(kind: str) -> Any:
    """A Keras model that asks for shapes while it runs."""
    from pipeline.models.backend import tf, tf_keras

    layers = tf_keras.layers

    def of(function: Any) -> list[Any]:
        return [layers.Conv2D(4, 3), layers.Lambda(function)]

    shape, tail = {
        "transposed": ("shape", [layers.Conv2DTranspose(4, 3, 2, padding="same"), layers.Conv2D(2, 1)]),
        "transposed, one dimension": ("line", [layers.Conv1DTranspose(4, 3, 2)]),
        "dilated, one dimension": ("line", [layers.Conv1D(4, 3, dilation_rate=2, padding="causal")]),
        "boxes": ("shape", [layers.Conv2D(8, 3), layers.Reshape((-1, 4))]),
        "flattened": ("shape", [layers.Conv2D(8, 3), layers.Flatten()]),
        "reshaped by hand": ("shape", of(lambda t: tf.reshape(t, [tf.shape(t)[0], -1, tf.shape(t)[3] * 2]))),
        "filled": ("shape", of(lambda t: tf.concat([t, tf.zeros([tf.shape(t)[0], tf.shape(t)[1], 4, 1])], -1))),
        "scaled by its width": ("shape", of(lambda t: t * tf.cast(tf.shape(t)[2], tf.float32))),
        "with positions": ("shape", of(lambda t: t + tf.cast(tf.range(tf.shape(t)[3]), tf.float32))),
    }[kind]
    return tf_keras.Sequential([tf_keras.Input(SIDES[shape]), *tail])


@pytest.mark.parametrize(
    ("kind", "batch"),
    [
        ("transposed", 1),  # its output's shape is given whole, with the batch
        ("transposed, one dimension", 1),
        ("dilated, one dimension", -1),
        ("boxes", -1),
        ("flattened", -1),
        ("reshaped by hand", -1),
        ("filled", 1),
        ("scaled by its width", -1),
        ("with positions", -1),
    ],
)
def test_no_shapes_are_computed_and_xnnpack_takes_the_int8_model_whole(kind: str, batch: int) -> None:
    from pipeline.conversion.import_float import import_float
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write

    model = shaped(kind)
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype(np.float32)
    content = import_float(model).content
    assert not SHAPE_ARITHMETIC & set(names(content))
    [source] = Runner(content).signature.inputs
    assert source.shape[0] == batch
    expected = np.asarray(model(x))
    np.testing.assert_allclose(answer(Runner(content), x), expected, atol=1e-5)
    int8 = Runner(write(content, "int8", calibrate(content, [{source.name: x}])))
    assert len(int8.partitions[1]) == 1
    assert int8.delegated == 1
    [output] = int8({source.name: x}).real.values()
    assert np.abs(output - expected).max() < 0.05 * np.abs(expected).max()


def test_constants_are_computed_once() -> None:
    graph = Graph()
    x, y = graph.tensor("x", [1, 3], open_batch=True), graph.tensor("y", [1, 3], open_batch=True)
    first, second = (graph.tensor(name, [3], data=np.arange(3.0)) for name in ("first", "second"))
    total = graph.tensor("total", [3])
    graph.operator("ADD", [first, second], [total], "AddOptions")
    graph.operator("MUL", [x, total], [y], "MulOptions")
    folded = fold_constants(graph.build([x], [y]))
    assert names(folded) == ["MUL"]
    np.testing.assert_array_equal(answer(Runner(folded), np.ones((1, 3), np.float32)), [[0, 2, 4]])


def test_a_large_constant_stays_computed() -> None:
    graph = Graph()
    x, y = graph.tensor("x", [1, 50_000]), graph.tensor("y", [1, 50_000])
    sides = graph.tensor("sides", [2], "int32", data=np.array([1, 50_000]))
    value, filled = graph.tensor("value", [], data=np.array(2.0)), graph.tensor("filled", [1, 50_000])
    graph.operator("FILL", [sides, value], [filled])
    graph.operator("MUL", [x, filled], [y], "MulOptions")
    content = graph.build([x], [y])
    assert names(fold_constants(content)) == ["FILL", "MUL"]


def test_where_sizes_are_open_one_computed_side_is_inferred() -> None:
    from pipeline.models.backend import tf, tf_keras

    inputs = tf_keras.Input((None, None, 4))
    model = tf_keras.Model(inputs, tf_keras.layers.Lambda(lambda t: tf.reshape(t, [tf.shape(t)[0], -1, 4]))(inputs))
    from pipeline.conversion.import_float import import_float

    content = import_float(model).content
    x = np.random.default_rng(0).normal(size=(1, 5, 7, 4)).astype(np.float32)
    np.testing.assert_array_equal(answer(Runner(content, shapes=[x.shape]), x), np.asarray(model(x)))
