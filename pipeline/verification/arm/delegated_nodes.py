"""Which operators a delegate took, from the runtime's list of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def not_taken(nodes: Sequence[dict[str, Any]]) -> tuple[int, frozenset[int]]:
    """How many operators the main graph has, and the indices of those that no delegate runs.

    Args:
        nodes: Name, inputs and outputs of every node, in order. The nodes that a delegate replaced are still among
            them: they are those between its outputs and its inputs.
    """
    own = [node for node in nodes if node["name"] != "DELEGATE"]
    maker = {tensor: place for place, node in enumerate(own) for tensor in node["outputs"]}
    taken: set[int] = set()
    for delegate in (node for node in nodes if node["name"] == "DELEGATE"):
        seen, open_ = set(delegate["inputs"]), list(delegate["outputs"])
        while open_:
            tensor = open_.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if tensor in maker:
                taken.add(maker[tensor])
                open_ += own[maker[tensor]]["inputs"]
    return len(own), frozenset(range(len(own))) - taken
