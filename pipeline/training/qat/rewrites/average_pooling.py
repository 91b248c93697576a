"""Average pooling without padding, written as the depthwise convolution that it is.

TFLite's AVERAGE_POOL_2D keeps its input's scale, rounds halves of negative steps down, and is not taken by XNNPACK in
int8. The convolution has a range of its own, is rounded as QAT rounds, and runs with the rest of the graph. Its equal
weights are exact in int8; they are not trained. With padding the divisor depends on the place: that pooling stays.
"""

from __future__ import annotations

import numpy as np

from pipeline.training.qat.graph import Call, Graph
from pipeline.training.qat.rewrites.change import Change


def average_pooling_to_convolution(graph: Graph) -> list[Change]:
    """Replace AveragePooling2D over windows that lie in the image, and are not the whole of it."""
    changes = []
    for call in list(graph.calls):
        if not call.is_a("AveragePooling2D") or None in call.input.shape[1:] or not _lies_inside(call):
            continue
        height, width = call.layer.config["pool_size"]
        channels = int(call.input.shape[-1] or 0)
        layer = graph.layer(
            "DepthwiseConv2D",
            f"{call.layer.name}_mean",
            [np.full((height, width, channels, 1), 1 / (height * width), np.float32)],
            kernel_size=(height, width),
            strides=call.layer.config["strides"],
            use_bias=False,
            trainable=False,
        )
        graph.replace(call, (layer, call.input, call.output))
        reason = "AVERAGE_POOL_2D has one scale for both sides, and XNNPACK does not take it in int8"
        changes.append(Change(call.layer.name, "AveragePooling2D", reason, "a depthwise convolution, not trained"))
    return changes


def _lies_inside(call: Call) -> bool:
    config = call.layer.config
    sides, window, (down, across) = call.input.shape[1:3], tuple(config["pool_size"]), config["strides"]
    if window == sides or down != across or config.get("data_format") == "channels_first":
        return False  # DepthwiseConv2D has one stride for both sides
    padding = [
        (-(-side // down) - 1) * down + length - side
        for side, length in zip(sides, window, strict=True)
        if side is not None
    ]
    return bool(config["padding"] == "valid" or max(padding) <= 0)
