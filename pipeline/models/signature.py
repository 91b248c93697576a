"""What a Keras model takes and gives: its signature, and how its outputs end."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.models.backend import tf_keras
from pipeline.tensors import OPEN, Signature, TensorSpec
from pipeline.tflite.endings import Ending

_ENDINGS: dict[str, Ending] = {"softmax": "softmax", "sigmoid": "sigmoid"}
_THROUGH = ("Reshape", "Flatten", "Dropout", "InputLayer")
"""Layers that leave every value what it is."""


def signature_of(model: Any) -> Signature:
    """Names, shapes and dtypes of a built `tf_keras` model, in its order; `OPEN` for open dimensions.

    Raises:
        InputError: a subclassed model that was never called: it has no inputs yet.
    """
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise InputError(
            f"The model '{model.name}' has no known inputs: it is subclassed, or was not built. Write a function that "
            "builds it with the functional API and name it with --set model.function=module:function."
        )
    return Signature(_specs(model.input_names, model.inputs), _specs(model.output_names, model.outputs))


def endings_of(model: Any) -> dict[str, Ending]:
    """By output name: whether the model's last operator is a softmax or a sigmoid.

    Seen through reshapes, nested models and tfmot's wrappers; of a subclassed model "none" is said of every output.
    """
    outputs = model.outputs or []
    return {name: _ending(tensor) for name, tensor in zip(model.output_names, outputs, strict=True)}


def _specs(names: list[str], tensors: list[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tuple(OPEN if side is None else int(side) for side in tensor.shape), _dtype(tensor))
        for name, tensor in zip(names, tensors, strict=True)
    )


def _dtype(tensor: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(tensor.dtype.as_numpy_dtype)
    return dtype


def _ending(tensor: Any) -> Ending:
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return "none"
    layer = history.layer
    if isinstance(layer, tf_keras.Model):
        return _ending(layer.outputs[history.tensor_index])
    found = _of_layer(getattr(layer, "layer", layer))  # inside tfmot's wrapper, or TimeDistributed
    if found is not None:
        return found
    before = layer.inbound_nodes[history.node_index].keras_inputs
    return _ending(before[0]) if len(before) == 1 and before[0] is not tensor else "none"


def _of_layer(layer: Any) -> Ending | None:
    """None where the layer before it decides."""
    if isinstance(layer, tf_keras.layers.Softmax):
        return "softmax"
    activation = getattr(layer, "activation", None)
    activation = getattr(activation, "activation", activation)  # tfmot's QuantizeAwareActivation
    if isinstance(activation, tf_keras.layers.Softmax):
        return "softmax"
    function = str(getattr(activation, "__name__", "") or getattr(layer, "symbol", "") or _function(layer))
    ending = _ENDINGS.get(function.rpartition(".")[2])
    if ending is not None:
        return ending
    moves = isinstance(layer, tuple(getattr(tf_keras.layers, name) for name in _THROUGH))
    identity = isinstance(layer, tf_keras.layers.Activation) and function == "linear"
    return None if moves or identity or type(layer).__name__ == "QuantizeLayer" else "none"


def _function(layer: Any) -> str:
    """The function that a layer around one TensorFlow operator calls."""
    name = getattr(layer, "function", "")
    return name if isinstance(name, str) else ""
