"""A Keras model that gives the outputs of all its layers."""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import tf_keras


def tap(model: Any) -> tuple[list[tuple[str, str]], Any]:
    """
    Args:
        model: A functional or sequential tf_keras model.

    Returns:
        The name and the class of each layer that has one output and is used once, in order, and a model that gives
        these outputs as a list.
    """
    layers = []
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.InputLayer):
            continue
        try:
            output = layer.output
        except AttributeError:  # used more than once, or never
            continue
        if not isinstance(output, list | tuple | dict):
            layers.append((layer, output))
    found = [(layer.name, type(layer).__name__) for layer, _ in layers]
    return found, tf_keras.Model(model.inputs, [output for _, output in layers])
