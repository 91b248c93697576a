"""Lambda layers, opened: their function is run once on symbolic values, and what it calls becomes the graph.

A Lambda hides operators in Python code, which can neither be saved safely nor quantized.
"""

from __future__ import annotations

from pipeline.models.backend import tf_keras
from pipeline.training.qat import graph as graphs
from pipeline.training.qat.graph import Graph
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.nested import flatten_nested


def open_lambdas(graph: Graph) -> list[Change]:
    """Replace Lambda layers by the operators that they call; one that reads a variable, or cannot be run, stays."""
    changes = []
    for layer in list(graph.layers()):
        if layer.kind is not tf_keras.layers.Lambda or layer.made_from is None:
            continue
        calls = graph.calls_of(layer)
        if any(len(call.args) != 1 or call.kwargs or len(call.outputs) != 1 for call in calls):
            continue
        value = calls[0].inputs
        try:
            inputs = [tf_keras.Input(item.shape[1:], batch_size=item.shape[0], dtype=item.dtype) for item in value]
            argument = inputs[0] if len(inputs) == 1 else inputs
            result = layer.made_from.function(argument, **layer.made_from.arguments)
            layer.inner = graphs.read(tf_keras.Model(inputs, result, name=layer.name))
        except Exception:  # the user's code; what it is hidden in stays as it is
            continue
        changes.append(Change(layer.name, "Lambda", "operators hidden in Python code", "the operators it calls"))
    if changes:
        flatten_nested(graph)
    return changes
