"""Models used as layers, flattened into the graph that uses them. tfmot refuses them."""

from __future__ import annotations

import inspect

from pipeline.models.backend import tf
from pipeline.training.qat.graph import Call, Graph, Layer, Value, is_input
from pipeline.training.qat.rewrites.change import Change


def flatten_nested(graph: Graph) -> list[Change]:
    """Put the inner calls in the place of every model that is called. A model called twice shares its layers still."""
    changes: dict[int, Change] = {}
    named: set[int] = {id(layer) for layer in graph.layers()}
    while True:
        call = next((call for call in graph.calls if call.layer.inner is not None), None)
        if call is None:
            return list(changes.values())
        if not any(other.layer is call.layer for other in graph.calls if id(call.layer) in changes):
            changes[id(call.layer)] = Change(
                call.layer.name, call.layer.kind.__name__, "a model used as a layer", "its layers stand in its place"
            )
        _inline(graph, call, named)


def _inline(graph: Graph, call: Call, named: set[int]) -> None:
    inner = call.layer.inner
    assert inner is not None
    given = [leaf for leaf in tf.nest.flatten(call.args) if isinstance(leaf, Value)]
    values = {id(own): outer for own, outer in zip(tf.nest.flatten(inner.inputs), given, strict=True)}
    place = graph.position(call)
    del graph.calls[place]
    for step in inner.calls:
        if is_input(step):
            continue
        args, kwargs = tf.nest.map_structure(lambda leaf: values.get(id(leaf), leaf), (step.args, step.kwargs))
        # A mode that an inner call fixes itself is fixed whatever the outer one is.
        if kwargs.get("training") is None and call.kwargs.get("training") is not None and takes_training(step.layer):
            kwargs = {**kwargs, "training": call.kwargs["training"]}
        outputs = [Value(value.shape, value.dtype) for value in step.outputs]
        values.update((id(own), new) for own, new in zip(step.outputs, outputs, strict=True))
        if id(step.layer) not in named:
            named.add(id(step.layer))
            step.layer.config["name"] = graph.unique(step.layer.name)
        graph.calls.insert(place, Call(step.layer, args, kwargs, outputs))
        place += 1
    for old, own in zip(call.outputs, tf.nest.flatten(inner.outputs), strict=True):
        graph.redirect(old, values[id(own)])


def takes_training(layer: Layer) -> bool:
    """Whether a layer can be told to compute as in training or as in inference."""
    return layer.inner is not None or "training" in inspect.signature(layer.kind.call).parameters  # type: ignore[attr-defined]
