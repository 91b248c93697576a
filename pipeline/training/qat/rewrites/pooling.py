"""The maximum over a whole image, written as the pooling that has an int8 kernel here."""

from __future__ import annotations

from pipeline.training.qat.graph import Graph, Value
from pipeline.training.qat.rewrites.change import Change


def global_max_to_pooling(graph: Graph) -> list[Change]:
    """Replace GlobalMaxPooling2D on images of known size: REDUCE_MAX has no rule in the int8 writer."""
    changes = []
    for call in list(graph.calls):
        if not call.is_a("GlobalMaxPooling2D") or None in call.input.shape[1:]:
            continue
        batch, height, width, channels = call.input.shape
        name, image = call.layer.name, Value((batch, 1, 1, channels))
        pool = graph.layer("MaxPooling2D", f"{name}_pool", pool_size=(height, width))
        flat = graph.layer("Reshape", f"{name}_flat", target_shape=tuple(call.output.shape[1:]))
        graph.replace(call, (pool, call.input, image), (flat, image, call.output))
        changes.append(
            Change(name, "GlobalMaxPooling2D", "REDUCE_MAX has no int8 form here", "MAX_POOL_2D and RESHAPE")
        )
    return changes
