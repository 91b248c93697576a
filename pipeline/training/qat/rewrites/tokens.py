"""Token numbers that a model takes as float32, as Keras's `Input` does where no dtype is said, taken as int32.

int8 would round them; an Embedding casts them to integers anyway.
"""

from __future__ import annotations

from pipeline.training.qat.graph import Graph, is_input
from pipeline.training.qat.rewrites.change import Change


def tokens_to_integers(graph: Graph) -> list[Change]:
    """Make every float32 input an int32 one that Embedding layers alone read."""
    changes = []
    for call in graph.calls:
        if not is_input(call) or call.output.dtype != "float32" or graph.is_output(call.output):
            continue
        consumers = graph.consumers(call.output)
        if consumers and all(consumer.is_a("Embedding") for consumer in consumers):
            call.output.dtype = "int32"
            reason = "token numbers in float32, which int8 would round"
            changes.append(Change(call.layer.name, "InputLayer", reason, "an input of int32"))
    return changes
