"""Which operators a delegate took, from the runtime's list of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Node = tuple[str, Iterable[int], Iterable[int]]
"""Name, inputs and outputs."""


def partitions(nodes: Sequence[Node]) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """How many operators the main graph has, and which of them each of the delegate's partitions runs.

    Args:
        nodes: All nodes, in order. Those that a delegate replaced are still among them: they are those between its
            outputs and its inputs.

    >>> partitions([("CONV_2D", [0], [1]), ("SOFTMAX", [1], [2]), ("DELEGATE", [0], [1])])
    (2, ((0,),))
    """
    own = [node for node in nodes if node[0] != "DELEGATE"]
    maker = {int(tensor): place for place, (_, _, outputs) in enumerate(own) for tensor in outputs}
    found = []
    for _, inputs, outputs in (node for node in nodes if node[0] == "DELEGATE"):
        taken: set[int] = set()
        seen = {int(tensor) for tensor in inputs}
        waiting = [int(tensor) for tensor in outputs]
        while waiting:
            tensor = waiting.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor in maker:
                taken.add(maker[tensor])
                waiting.extend(int(before) for before in own[maker[tensor]][1])
        found.append(tuple(sorted(taken)))
    return len(own), tuple(found)


def of_interpreter(interpreter: Any) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """`partitions` of a LiteRT interpreter whose tensors are allocated."""
    # Not _get_ops_details, which decodes the name of every tensor: bytes that are no UTF-8 would stop it.
    graph = interpreter._interpreter
    nodes = range(graph.NumNodes())
    return partitions([(graph.NodeName(node), graph.NodeInputs(node), graph.NodeOutputs(node)) for node in nodes])
