"""Activations by Keras 3's names: the same function, not the same name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from tests.models.keras3.test_layer_translation import carried

CARRIED = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]
REFUSED = ["hard_shrink", "soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "threshold"]


def dense(k: Any, activation: Any) -> Any:
    return k.Sequential([k.Input((6,)), k.layers.Dense(8, activation=activation, name="odd")])


def test_every_activation_of_keras_3_is_either_carried_or_refused() -> None:
    import keras

    names = {name for name in vars(keras.activations) if name.islower() and name[0] != "_"}
    assert names - {"get", "serialize", "deserialize", "keras"} == {*CARRIED, *REFUSED}


@pytest.mark.parametrize("name", CARRIED)
def test_inside_a_layer_it_computes_the_same(name: str) -> None:
    import keras

    carried(dense(keras, name))


@pytest.mark.parametrize("name", ["hard_silu", "relu6", "silu"])
def test_as_a_layer_of_its_own_it_computes_the_same(name: str) -> None:
    import keras

    carried(keras.Sequential([keras.Input((6,)), keras.layers.Activation(name)]))


@pytest.mark.parametrize("name", REFUSED[:-1])
def test_without_a_counterpart_it_is_refused(name: str) -> None:
    import keras

    from pipeline.models.keras3.replay import carry

    with pytest.raises(InputError, match=rf"odd \(Dense\).*'{name}'"):
        carry(dense(keras, name))


def test_hard_sigmoid_is_keras_3s_and_not_keras_2s() -> None:
    import keras

    from pipeline.models.backend import tf_keras

    x = np.linspace(-4, 4, 33, dtype=np.float32).reshape(1, 33)
    model = carried(keras.Sequential([keras.Input((33,)), keras.layers.Activation("hard_sigmoid")]))
    np.testing.assert_allclose(model(x), np.clip(x + 3, 0, 6) / 6, atol=1e-6)
    assert np.abs(model(x) - tf_keras.layers.Activation("hard_sigmoid")(x)).max() > 0.06


def test_a_layer_as_activation_follows_the_layer() -> None:
    import keras

    carried(dense(keras, keras.layers.LeakyReLU(0.3)))


def test_a_shared_layer_keeps_its_activation_at_every_call() -> None:
    import keras

    inputs = keras.Input((6,))
    layer = keras.layers.Dense(6, activation="hard_silu")
    model = carried(keras.Model(inputs, layer(layer(layer(inputs)))))
    assert sum(bool(layer.weights) for layer in model.layers) == 1
