"""The outputs of all layers of a Keras model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.models.backend import quiet_tensorflow, tf, tf_keras
from pipeline.models.named_function import has_graph, is_keras3, named_function, structure
from pipeline.tensors import Array, Tensors, TensorSpec, in_order


class LayerOutputs:
    """Answers one example with the output of every layer that has one output and is used once, in order.

    Args:
        model: A Functional or Sequential model of `tf_keras` or Keras 3.

    Raises:
        InputError: a subclassed model, whose layers are called by its own code.
    """

    def __init__(self, model: Any) -> None:
        if not has_graph(model):
            raise InputError(
                f"The layers of the subclassed model '{model.name}' are called by its own code, so their outputs "
                "cannot be read."
            )
        found = list(_used_once(model))
        self.layers: tuple[tuple[str, str], ...] = tuple((layer.name, type(layer).__name__) for layer, _ in found)
        """Name and class of each."""
        taken, _ = structure(model)
        function = named_function(_library(model).Model(taken, [output for _, output in found]))
        self.name = str(model.name)
        self.inputs: tuple[TensorSpec, ...] = function.signature.inputs
        self.outputs: tuple[TensorSpec, ...] = function.signature.outputs
        """A layer each; the batch first."""
        with quiet_tensorflow():
            self._traced, _ = function.trace(1)

    def __call__(self, example: Tensors) -> tuple[list[Array], list[Array]]:
        """
        Args:
            example: One, by input name, [...] each without the batch.

        Returns:
            The inputs as the model takes them, [1, ...], and the outputs of the layers.

        Raises:
            InputError: names, shapes or values that the model does not take.
        """
        batch = {name: np.asarray(array)[None] for name, array in example.items()}
        arrays = in_order(batch, self.inputs, f"The model '{self.name}'")
        answered = self._traced(*(tf.constant(array) for array in arrays))
        return arrays, [np.asarray(output) for output in answered]


def _used_once(model: Any) -> Iterator[tuple[Any, Any]]:
    for layer in model.layers:
        if type(layer).__name__ == "InputLayer":
            continue
        try:
            output = layer.output
        except AttributeError:  # used more than once, or never
            continue
        several = is_keras3(model) and len(layer._inbound_nodes) > 1  # where Keras 3 gives the first use's
        if not several and not isinstance(output, list | tuple | dict):
            yield layer, output


def _library(model: Any) -> Any:
    if is_keras3(model):
        import keras

        return keras
    return tf_keras
