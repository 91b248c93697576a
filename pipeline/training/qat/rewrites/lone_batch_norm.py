"""A BatchNormalization with no convolution before it gets one: a depthwise 1x1 convolution of ones.

Before an activation (ResNetV2, DenseNet) or behind a concatenation there is nothing to fold batch-norm into, and
TFLite has no int8 batch-norm. Behind a convolution of ones the value is the same, the statistics train as they did,
and the converter folds batch-norm into the convolution: one DEPTHWISE_CONV_2D with a scale a channel, ReLU fused.
"""

from __future__ import annotations

import numpy as np

from pipeline.training.qat.fusing import FOLDS_BATCH_NORM
from pipeline.training.qat.graph import Call, Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change


def carry_lone_batch_norms(graph: Graph) -> list[Change]:
    """Put a convolution of ones before every BatchNormalization that is fused into nothing else."""
    changes = []
    for call in list(graph.calls):
        if not call.is_a("BatchNormalization") or folds_into_producer(graph, call):
            continue
        x = call.input
        axis = int(np.ravel(call.layer.config["axis"])[0]) % len(x.shape)
        if axis != len(x.shape) - 1 or x.shape[-1] is None or len(x.shape) not in (2, 3, 4):
            continue
        if len(x.shape) == 4:
            graph.before(call, ones(graph, f"{call.layer.name}_carrier", int(x.shape[-1])))
        else:
            if graph.shared(call.layer) or None in x.shape[1:]:
                continue
            _raise(graph, call)
        reason = "no convolution before it, and TFLite has no int8 batch-norm"
        remedy = "folded into a depthwise 1x1 convolution of ones before it"
        changes.append(Change(call.layer.name, "BatchNormalization", reason, remedy))
    return changes


def folds_into_producer(graph: Graph, call: Call) -> bool:
    """Whether a BatchNormalization stands right behind a layer that it is fused into, and its single consumer."""
    producer = graph.producer(call.input)
    return (
        producer.is_a(*FOLDS_BATCH_NORM)
        and producer.layer.config.get("activation") in (None, "linear")
        and graph.single_consumer(call.input) is call
    )


def ones(graph: Graph, name: str, channels: int) -> Layer:
    """A depthwise 1x1 convolution that changes nothing and is not trained."""
    kernel = np.ones((1, 1, channels, 1), np.float32)
    return graph.layer("DepthwiseConv2D", name, [kernel], kernel_size=1, use_bias=False, trainable=False)


def _raise(graph: Graph, call: Call) -> None:
    """Batch-norm of vectors or sequences, as that of an image of height 1."""
    x, y, layer = call.input, call.output, call.layer
    sides = (1, 1, *x.shape[1:]) if len(x.shape) == 2 else (1, *x.shape[1:])
    image, carried, normal = (Value((x.shape[0], *sides)) for _ in range(3))
    inner = Layer(layer.kind, {**layer.config, "axis": [3]}, layer.weights, fixed_statistics=layer.fixed_statistics)
    carrier = ones(graph, f"{layer.name}_carrier", int(x.shape[-1] or 0))
    to_image = graph.layer("Reshape", f"{layer.name}_image", target_shape=sides)
    back = graph.layer("Reshape", f"{layer.name}_back", target_shape=tuple(x.shape[1:]))
    place = graph.position(call)
    del graph.calls[place]
    for offset, step in enumerate(
        [(to_image, x, image), (carrier, image, carried), (inner, carried, normal), (back, normal, y)]
    ):
        graph.insert(place + offset, *step)
