"""Activations by Keras 3's name: the few that Keras 2 computes alike by name, the others built of layers.

The trap is `hard_sigmoid`: Keras 3's is relu6(x + 3) / 6, Keras 2's is clip(0.2 x + 0.5, 0, 1). The name is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras3.problems import CannotCarryError

SAME = {
    "linear": "linear",
    "relu": "relu",
    "elu": "elu",
    "celu": "elu",  # at alpha = 1, which the name stands for, they are one function
    "selu": "selu",
    "exponential": "exponential",
    "gelu": "gelu",
    "mish": "mish",
    "sigmoid": "sigmoid",
    "silu": "swish",
    "swish": "swish",
    "softmax": "softmax",
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
}
"""Keras 3's name, and Keras 2's for the same function."""

Composition = Callable[[Any, str], Any]
"""From a tensor and a prefix for the layers' names to a tensor."""


def hard_sigmoid(x: Any, name: str) -> Any:
    """relu6(x + 3) / 6, in the operators of `tf_keras.applications.MobileNetV3`, which TFLite fuses."""
    return tf_keras.layers.ReLU(6.0, name=f"{name}_relu6")(x + 3.0) * (1.0 / 6.0)


def hard_silu(x: Any, name: str) -> Any:
    """x * hard_sigmoid(x), also called hard_swish."""
    return tf_keras.layers.Multiply(name=f"{name}_multiply")([x, hard_sigmoid(x, name)])


def _glu(x: Any, name: str) -> Any:
    value, gate = tf.split(x, 2, axis=-1)
    return tf_keras.layers.Multiply(name=name)([value, tf.sigmoid(gate)])


COMPOSED: dict[str, Composition] = {
    "relu6": lambda x, name: tf_keras.layers.ReLU(6.0, name=name)(x),
    "leaky_relu": lambda x, name: tf_keras.layers.LeakyReLU(0.2, name=name)(x),
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
    "hard_tanh": lambda x, name: tf.clip_by_value(x, -1.0, 1.0),
    "log_softmax": lambda x, name: tf.nn.log_softmax(x),
    "log_sigmoid": lambda x, name: tf.math.log_sigmoid(x),
    "tanh_shrink": lambda x, name: x - tf.tanh(x),
    "squareplus": lambda x, name: (x + tf.sqrt(tf.square(x) + 4.0)) * 0.5,
    "glu": _glu,
}
"""Keras 3's name, and how the function is built where Keras 2 has none of that name that computes the same."""


def name_of(activation: Any) -> str:
    """The name of a Keras 3 activation as a layer holds it (a function, a name or None).

    Raises:
        CannotCarryError: it is a function of the user's own.
    """
    if activation is None:
        return "linear"
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", type(activation).__name__)
    if name in SAME or name in COMPOSED:
        module = getattr(activation, "__module__", "keras")
        if isinstance(activation, str) or module.split(".")[0] == "keras":
            return str(name)
    raise CannotCarryError(f"its activation '{name}' is not one that Keras 2 has or that is built of its layers")
