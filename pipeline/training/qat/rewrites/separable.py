"""SeparableConv2D split into its depthwise and its pointwise convolution, which TFLite runs as two operators."""

from __future__ import annotations

from pipeline.training.qat.graph import Graph, Value
from pipeline.training.qat.rewrites.change import Change

_DEPTHWISE = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier", "trainable")


def split_separable(graph: Graph) -> list[Change]:
    """Split every SeparableConv2D; its activation goes with the pointwise convolution."""
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        if not calls[0].is_a("SeparableConv2D"):
            continue
        config, name = layer.config, layer.name
        depthwise_kernel, pointwise_kernel, *bias = layer.weights
        depthwise = graph.layer(
            "DepthwiseConv2D",
            f"{name}_depthwise",
            weights=[depthwise_kernel],
            use_bias=False,
            **{key: config[key] for key in _DEPTHWISE if key in config},
        )
        pointwise = graph.layer(
            "Conv2D",
            f"{name}_pointwise",
            weights=[pointwise_kernel, *bias],
            filters=config["filters"],
            kernel_size=1,
            use_bias=config["use_bias"],
            activation=config["activation"],
            trainable=config.get("trainable", True),
        )
        for call in calls:
            y = call.output
            between = Value((*y.shape[:-1], depthwise_kernel.shape[2] * depthwise_kernel.shape[3]))
            graph.replace(call, (depthwise, call.input, between), (pointwise, between, y))
        reason = "one layer, but two operators with an int8 value between them"
        changes.append(Change(name, "SeparableConv2D", reason, "DepthwiseConv2D and Conv2D"))
    return changes
