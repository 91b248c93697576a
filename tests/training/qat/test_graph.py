"""A Keras model read as a graph and built again is the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from tests.training.qat.same import kinds, random_inputs, randomize


@pytest.fixture
def keras() -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras


def round_trip(model: Any) -> tuple[Any, Any]:
    """The graph, and the model built of it, which must answer as the first."""
    from pipeline.models.backend import tf
    from pipeline.training.qat import graph as graphs

    randomize(model)
    graph = graphs.read(model)
    built = graph.build()
    inputs = random_inputs(model)
    for one, other in zip(tf.nest.flatten(built(inputs)), tf.nest.flatten(model(inputs)), strict=True):
        np.testing.assert_array_equal(one, other)
    return graph, built


def test_a_sequential_model_keeps_its_names_and_weights(keras: Any) -> None:
    layers = [keras.Input((4,), name="x"), keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")]
    _, built = round_trip(keras.Sequential(layers, name="mine"))
    assert [built.name, *built.input_names, *built.output_names] == ["mine", "x", "b"]
    assert [layer.name for layer in built.layers] == ["x", "a", "b"]


def test_several_inputs_and_outputs_keep_their_order(keras: Any) -> None:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    total = keras.layers.Add(name="total")([a, b])
    _, built = round_trip(keras.Model([b, a], [total, keras.layers.Dense(2, name="head")(b)]))
    assert built.input_names == ["b", "a"]
    assert built.output_names == ["total", "head"]


def test_outputs_by_name_stay_so(keras: Any) -> None:
    x = keras.Input((3,))
    model = keras.Model({"x": x}, {"one": keras.layers.Dense(1)(x), "two": keras.layers.Dense(2)(x)})
    from pipeline.training.qat import graph as graphs

    built = graphs.read(model).build()
    answer = built({"x": np.ones((1, 3), np.float32)})
    assert {key: tuple(value.shape) for key, value in answer.items()} == {"one": (1, 1), "two": (1, 2)}


def test_a_layer_that_is_called_twice_is_one_layer(keras: Any) -> None:
    a, b = keras.Input((3,)), keras.Input((3,))
    dense = keras.layers.Dense(2)
    graph, built = round_trip(keras.Model([a, b], keras.layers.Add()([dense(a), dense(b)])))
    assert kinds(graph).count("Dense") == 2
    assert len(built.weights) == 2


def test_functions_keep_their_arguments(keras: Any) -> None:
    x = keras.Input((4, 6))
    y = x[:, 1:3, ::2] * 2.0 + np.arange(3, dtype=np.float32)
    round_trip(keras.Model(x, y))


def test_the_input_keeps_its_type_and_open_sides(keras: Any) -> None:
    x = keras.Input((None, None, 3), dtype="float32", name="image")
    _, built = round_trip_open(keras.Model(x, keras.layers.Conv2D(2, 3)(x)))
    assert built.inputs[0].shape.as_list() == [None, None, None, 3]


def round_trip_open(model: Any) -> tuple[Any, Any]:
    from pipeline.training.qat import graph as graphs

    graph = graphs.read(model)
    return graph, graph.build()


def test_a_subclassed_model_is_refused_with_both_ways_out(keras: Any) -> None:
    from pipeline.training.qat import graph as graphs

    class Mine(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InputError, match=r"functional API.*--ptq"):
        graphs.read(Mine(name="mine"))


def test_edits(keras: Any) -> None:
    """Insert after a value, drop, redirect, prune."""
    from pipeline.training.qat import graph as graphs

    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.ReLU(name="out")(keras.layers.Dense(2, name="dense")(x)))
    graph = graphs.read(model)
    dense = next(call for call in graph.calls if call.layer.name == "dense")
    graph.after(dense.output, graph.layer("Activation", "dense", activation="tanh"))
    assert kinds(graph) == ["Dense", "Activation", "ReLU"]
    assert [layer.name for layer in graph.layers()][2] == "dense_1"
    graph.drop(next(call for call in graph.calls if call.layer.kind.__name__ == "Activation"))
    graph.insert(1, graph.layer("ReLU", "unread"), dense.input, graphs.Value((None, 3)))
    assert kinds(graph) == ["ReLU", "Dense", "ReLU"]
    graph.prune()
    assert kinds(graph) == ["Dense", "ReLU"]
    np.testing.assert_array_equal(graph.build()(np.ones((1, 3), np.float32)), model(np.ones((1, 3), np.float32)))


def test_mixed_precision_is_read_as_float32() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat import graph as graphs
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.range_variables import ranges

    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inputs = tf_keras.Input((4, 4, 3))
        model = tf_keras.Model(inputs, tf_keras.layers.Conv2D(2, 3, activation="relu", name="conv")(inputs))
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    built = graphs.read(model).build()
    assert {layer.compute_dtype for layer in built.layers} == {"float32"}
    assert [weight.numpy().tolist() for weight in built.weights] == [
        weight.numpy().tolist() for weight in model.weights
    ]
    assert len(ranges(quantize_aware(model))) == 2  # the image's and the convolution's
