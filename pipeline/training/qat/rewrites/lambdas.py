"""Functions of the user's, expanded: they are run once on symbolic values, and what they call becomes the graph.

A Lambda layer, or an activation that is a Python function, hides operators in code that can neither be saved safely nor
quantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.models.backend import tf_keras
from pipeline.training.qat import graph as graphs
from pipeline.training.qat.graph import Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.fused_activations import TAKE_ACTIVATIONS, activation_name
from pipeline.training.qat.rewrites.nested import flatten_nested


def expand_lambdas(graph: Graph) -> list[Change]:
    """Replace Lambda layers by the operators that they call; one that reads a variable, or cannot be run, stays."""
    changes = []
    for layer in list(graph.layers()):
        if layer.kind is not tf_keras.layers.Lambda or layer.made_from is None:
            continue
        calls = graph.calls_of(layer)
        if any(len(call.args) != 1 or call.kwargs or len(call.outputs) != 1 for call in calls):
            continue
        layer.inner = _expanded(layer.made_from.function, calls[0].inputs, layer.name, layer.made_from.arguments)
        if layer.inner is not None:
            changes.append(Change(layer.name, "Lambda", "operators hidden in Python code", "the operators it calls"))
    if changes:
        flatten_nested(graph)
    return changes


def expand_activations(graph: Graph) -> list[Change]:
    """Replace activations that are functions or layers of the user's; one that cannot be run stays."""
    changes = []
    for layer in list(graph.layers()):
        activation = layer.config.get("activation")
        if not callable(activation) or activation_name(activation) is not None:
            continue
        calls = graph.calls_of(layer)
        name = getattr(activation, "__name__", None) or type(activation).__name__
        if layer.kind is tf_keras.layers.Activation:
            layer.inner = _expanded(activation, calls[0].inputs, layer.name)
            expanded = layer.inner is not None
        else:
            expanded = layer.kind in TAKE_ACTIVATIONS and _split_off(graph, layer, activation, f"{layer.name}_{name}")
        if expanded:
            reason = f"the activation '{name}' is Python code"
            changes.append(Change(layer.name, layer.kind.__name__, reason, "the operators it calls"))
    if changes:
        flatten_nested(graph)
    return changes


def _split_off(graph: Graph, layer: Layer, activation: Any, name: str) -> bool:
    calls = graph.calls_of(layer)
    inner = _expanded(activation, calls[0].outputs, name)
    if inner is None:
        return False
    layer.config = {**layer.config, "activation": "linear"}
    behind = graph.layer(tf_keras.Model, name, inner=inner)
    for call in calls:
        graph.after(call.output, behind)
    return True


def _expanded(
    function: Any, values: list[Value], name: str, arguments: Mapping[str, Any] | None = None
) -> Graph | None:
    """What a function computes, as a graph; None where the user's code does not run on symbolic values."""
    try:
        inputs = [tf_keras.Input(item.shape[1:], batch_size=item.shape[0], dtype=item.dtype) for item in values]
        result = function(inputs[0] if len(inputs) == 1 else inputs, **(arguments or {}))
        return graphs.read(tf_keras.Model(inputs, result, name=name))
    except Exception:  # the user's code; what it is hidden in stays as it is
        return None
