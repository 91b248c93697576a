"""Keras layers of this project's own: one TensorFlow operator each, where Keras has no layer for it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pipeline.models.backend import tf, tf_keras

PACKAGE = "keras_int8_pipeline"


@tf_keras.utils.register_keras_serializable(PACKAGE)
class Operation(tf_keras.layers.Layer):  # type: ignore[misc]
    """A TensorFlow function with its constant arguments: what Keras's TFOpLambda is, as an ordinary layer.

    TFOpLambda keeps its arguments in the call, so neither clone_model nor tfmot's wrappers can handle it.

    Args:
        function: The name in TensorFlow's API, without `tf.`: `math.add`, `__operators__.getitem`, ….
        arguments: The pair of positional and keyword arguments as :func:`encode` gives it, `{"value": i}` where the
            layer's i-th input goes.
    """

    def __init__(self, function: str, arguments: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        self._arguments = json.dumps(arguments)  # Keras would wrap lists and dicts to track them

    def call(self, inputs: Any) -> Any:
        values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        args, keywords = decode(json.loads(self._arguments), values)
        return function(self.function)(*args, **keywords)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "function": self.function, "arguments": json.loads(self._arguments)}


@tf_keras.utils.register_keras_serializable(PACKAGE)
class HardSwish(tf_keras.layers.Layer):  # type: ignore[misc]
    """x · relu6(x + 3) / 6 in the form that TFLite's converter knows as one HARD_SWISH (Howard et al. 2019)."""

    def call(self, inputs: Any) -> Any:
        return inputs * tf.nn.relu6(inputs + 3.0) * (1.0 / 6.0)


@tf_keras.utils.register_keras_serializable(PACKAGE)
class ChannelScale(tf_keras.layers.Layer):  # type: ignore[misc]
    """One trained factor a channel (the last axis), as ConvNeXt's LayerScale (Touvron et al. 2021)."""

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight("gamma", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma


@tf_keras.utils.register_keras_serializable(PACKAGE)
class PlainLayerNormalization(tf_keras.layers.Layer):  # type: ignore[misc]
    """LayerNormalization over the last axis (Ba et al. 2016), in operators that have int8 kernels.

    Args:
        epsilon: Added to the variance.
        center: Add a trained vector.
        scale: Multiply by a trained vector.
    """

    def __init__(self, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon, self.center, self.scale = epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        size = (input_shape[-1],)
        self.gamma = self.add_weight("gamma", shape=size, initializer="ones") if self.scale else None
        self.beta = self.add_weight("beta", shape=size, initializer="zeros") if self.center else None
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
        result = (inputs - mean) * tf.math.rsqrt(variance + self.epsilon)
        result = result if self.gamma is None else result * self.gamma
        return result if self.beta is None else result + self.beta

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon, "center": self.center, "scale": self.scale}


def function(name: str) -> Any:
    """The function of TensorFlow's API by name.

    Raises:
        AttributeError: there is none.
    """
    from tf_keras.src.layers.core.tf_op_layer import get_symbol_from_name

    found = get_symbol_from_name(name)
    if found is None:
        raise AttributeError(f"TensorFlow has no function '{name}'.")
    return found


def encode(item: Any, place: Any) -> Any:
    """Arguments of a call as JSON can hold them.

    Args:
        item: Nested lists, tuples and dicts of numbers, strings, arrays, slices, dtypes and values.
        place: Gives the input's number for what is a value of the graph, None for everything else.

    Raises:
        TypeError: something else is among them, a variable for example.
    """
    number = place(item)
    if number is not None:
        return {"value": number}
    if item is None or isinstance(item, bool | int | float | str):
        return item
    if isinstance(item, tuple):
        return {"tuple": [encode(part, place) for part in item]}
    if isinstance(item, list):
        return [encode(part, place) for part in item]
    if isinstance(item, slice):
        return {"slice": [encode(part, place) for part in (item.start, item.stop, item.step)]}
    if isinstance(item, dict):
        if set(item) == {"start", "stop", "step"}:  # Keras's own way to write a slice
            return {"slice": [encode(item[key], place) for key in ("start", "stop", "step")]}
        return {"dict": {key: encode(part, place) for key, part in item.items()}}
    if item is Ellipsis:
        return {"ellipsis": True}
    if isinstance(item, tf.DType):
        return {"dtype": item.name}
    if isinstance(item, tf.TensorShape):
        return {"shape": item.as_list()}
    if isinstance(item, np.ndarray | np.generic) or (isinstance(item, tf.Tensor) and hasattr(item, "numpy")):
        array = np.asarray(item)
        return {"array": array.tolist(), "type": array.dtype.name}
    raise TypeError(f"an argument of type {type(item).__name__} cannot be kept")


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def decode(item: Any, values: list[Any]) -> Any:
    """What :func:`encode` wrote, with the values in their places."""
    if isinstance(item, list | tuple):
        return [decode(part, values) for part in item]
    if not isinstance(item, dict):
        return item
    if "value" in item:
        return values[item["value"]]
    if "tuple" in item:
        return tuple(decode(part, values) for part in item["tuple"])
    if "slice" in item:
        return slice(*(decode(part, values) for part in item["slice"]))
    if "dict" in item:
        return {key: decode(part, values) for key, part in item["dict"].items()}
    if "ellipsis" in item:
        return Ellipsis
    if "dtype" in item:
        return tf.as_dtype(item["dtype"])
    if "shape" in item:
        return tf.TensorShape(item["shape"])
    return np.array(item["array"], item["type"])
