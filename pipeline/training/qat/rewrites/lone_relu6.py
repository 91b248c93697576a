"""A ReLU6 with nothing to be fused into gets a convolution of ones before it. Alone, RELU6 has no int8 form here."""

from __future__ import annotations

from pipeline.training.qat.fusing import fused_values
from pipeline.training.qat.graph import Call, Graph
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.lone_batch_norm import ones


def carry_lone_relu6(graph: Graph) -> list[Change]:
    """Put a depthwise 1x1 convolution of ones before every ReLU6 over images that is fused into no operator."""
    inside = fused_values(graph)
    changes = []
    for call in list(graph.calls):
        if not _is_relu6(call) or id(call.input) in inside or len(call.input.shape) != 4:
            continue
        if graph.shared(call.layer) or call.input.shape[-1] is None:
            continue
        graph.before(call, ones(graph, f"{call.layer.name}_carrier", int(call.input.shape[-1])))
        reason = "nothing before it to fuse ReLU6 into"
        changes.append(Change(call.layer.name, "ReLU", reason, "fused into a depthwise 1x1 convolution of ones"))
    return changes


def _is_relu6(call: Call) -> bool:
    return call.is_a("ReLU") and call.layer.config.get("max_value") == 6
