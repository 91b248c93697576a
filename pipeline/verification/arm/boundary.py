"""Where XNNPACK's work ends: the tensors that it hands to operators that it did not take."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from pipeline.tflite import flatbuffer


def handed_over(model: Path | bytes, left: Set[int]) -> tuple[bytes, int]:
    """A copy of a model that gives, after its own outputs, what its delegate hands to the operators it left.

    Only tensors that depend on nothing but delegated operators are given: what differs in them was computed by the
    delegate. They leave it anyway, so that the copy is delegated as the model is.

    Args:
        model: A .tflite.
        left: Indices of the main graph's operators that the delegate did not take.

    Returns:
        The copy, and how many outputs were added: 0 where there is no such tensor.
    """
    tree = flatbuffer.read(model)
    graph = tree.subgraphs[0]
    beyond: set[int] = set()  # tensors that an operator that was left had a part in
    for index, operator in enumerate(graph.operators):
        if index in left or beyond.intersection(operator.inputs):
            beyond.update(operator.outputs)
    made = flatbuffer.producers(graph)
    ends = [tensor for index in sorted(left) for tensor in graph.operators[index].inputs]
    added = [
        tensor
        for tensor in dict.fromkeys(ends)
        if tensor in made and tensor not in beyond and tensor not in graph.outputs
    ]
    graph.outputs = [*graph.outputs, *added]
    return flatbuffer.serialize(tree), len(added)
