"""Drop the tensors and buffers that a graph edit left without a user."""

from __future__ import annotations

from typing import Any

from ai_edge_litert.schema_py_generated import ModelT


def prune(model: ModelT) -> None:
    """Remove, in place, every tensor that no operator, input, output or signature names, and the buffers of those."""
    for number, graph in enumerate(model.subgraphs):
        signatures = [s for s in model.signatureDefs or [] if s.subgraphIndex == number]
        entries = [entry for s in signatures for entry in [*s.inputs, *s.outputs]]
        used = {index for op in graph.operators for index in [*op.inputs, *op.outputs] if index >= 0}
        used |= {int(index) for op in graph.operators for index in _listed(op.intermediates) if index >= 0}
        used |= {*graph.inputs, *graph.outputs, *(entry.tensorIndex for entry in entries)}
        new = {old: place for place, old in enumerate(sorted(used))}
        new[-1] = -1  # an optional input that is left out
        graph.tensors = [tensor for index, tensor in enumerate(graph.tensors) if index in used]
        for op in graph.operators:
            op.inputs, op.outputs = _renumber(op.inputs, new), _renumber(op.outputs, new)
            op.intermediates = _renumber(op.intermediates, new)
        graph.inputs, graph.outputs = _renumber(graph.inputs, new), _renumber(graph.outputs, new)
        for entry in entries:
            entry.tensorIndex = new[entry.tensorIndex]
    _prune_buffers(model)


def _listed(indices: Any) -> list[int]:
    return [] if indices is None else list(indices)


def _renumber(indices: Any, new: dict[int, int]) -> list[int]:
    return [] if indices is None else [new[int(index)] for index in indices if int(index) in new]


def _prune_buffers(model: ModelT) -> None:
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    metadata = model.metadata or []
    used = {0, *(tensor.buffer for tensor in tensors), *(entry.buffer for entry in metadata)}
    new = {old: place for place, old in enumerate(sorted(used))}
    model.buffers = [buffer for index, buffer in enumerate(model.buffers) if index in used]
    for owner in [*tensors, *metadata]:
        owner.buffer = new[owner.buffer]
