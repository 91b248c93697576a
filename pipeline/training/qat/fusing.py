"""What TFLite fuses into an operator of the layers behind it: batch-norm, channel factors, ReLU and ReLU6."""

from __future__ import annotations

from pipeline.models.backend import tf_keras
from pipeline.models.fake_quant.operation import ChannelScale, Operation
from pipeline.training.qat.graph import Call, Graph

FOLDS_BATCH_NORM = ("Conv2D", "DepthwiseConv2D", "Dense")
"""Layers that the converter folds a BatchNormalization behind them into."""

_FUSES_RELU = ("Add", "Subtract", "Multiply", "AveragePooling2D")
"""Beside those that fold batch-norm: layers that a ReLU behind them is fused into. TRANSPOSE_CONV fuses none."""


def fused_values(graph: Graph) -> set[int]:
    """`id`s of the values between a convolution and the layers that are fused into it, and before a fused ReLU."""
    inside: set[int] = set()
    for call in graph.calls:
        linear = call.is_a(*FOLDS_BATCH_NORM)
        if not linear and not call.is_a(*_FUSES_RELU) and not _adds_or_scales(call):
            continue
        value = call.output
        consumer = graph.single_consumer(value)
        while linear and consumer is not None and folds(call.layer.kind, consumer.layer.kind):
            inside.add(id(value))
            value = consumer.output
            consumer = graph.single_consumer(value)
        if consumer is not None and is_fused_relu(consumer):
            inside.add(id(value))
    return inside


def _adds_or_scales(call: Call) -> bool:
    return call.layer.kind is Operation and call.layer.config["function"] in ("math.add", "math.multiply")


def folds(linear: type, behind: type) -> bool:
    """Whether the converter folds a layer of the second class into one of the first before it."""
    takes = linear in {getattr(tf_keras.layers, name) for name in FOLDS_BATCH_NORM}
    return takes and behind in (tf_keras.layers.BatchNormalization, ChannelScale)


def is_fused_relu(call: Call) -> bool:
    """ReLU or ReLU6, which TFLite computes inside the operator before it."""
    config = call.layer.config
    return (
        call.layer.kind is tf_keras.layers.ReLU
        and config.get("max_value") in (None, 6)
        and not config.get("negative_slope")
        and not config.get("threshold")
    )
