"""A constant added to a convolution's result goes into its bias, as TFLite's converter would do."""

from __future__ import annotations

import numpy as np

from pipeline.training.qat.graph import Graph
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.operators import constant_operand

_WITH_BIAS = ("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "Dense")


def constants_into_biases(graph: Graph) -> list[Change]:
    """Fold `conv(x) + c` where c is one number, or one a channel, and nothing else reads the convolution."""
    changes = []
    for call in list(graph.calls):
        constant = constant_operand(call)
        if constant is None or call.layer.config["function"] != "math.add":
            continue
        before = graph.producer(call.input)
        layer = before.layer
        if not before.is_a(*_WITH_BIAS) or graph.shared(layer) or graph.single_consumer(call.input) is not call:
            continue
        channels = call.input.shape[-1]
        if layer.config.get("activation") not in (None, "linear") or constant.size not in (1, channels):
            continue
        if constant.size > 1 and constant.shape[-1] != channels:
            continue
        shift = np.broadcast_to(constant.reshape(-1), (int(channels or 0),)).astype(np.float32)
        kernel, *bias = layer.weights
        layer.weights = [kernel, bias[0] + shift if bias else shift]
        layer.config["use_bias"] = True
        graph.drop(call)
        reason = "a constant added to a convolution"
        changes.append(Change(call.layer.name, "Operation", reason, "part of the convolution's bias"))
    return changes
