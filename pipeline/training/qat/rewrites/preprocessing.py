"""Rescaling and Normalization inside the model, turned into a depthwise 1x1 convolution that int8 knows.

tfmot refuses both. The convolution has one weight and one bias a channel, so int8 holds its weights exactly; it is
not trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.training.qat.graph import Call, Graph
from pipeline.training.qat.rewrites.change import Change

Float = NDArray[np.float32]


def preprocessing_to_convolutions(graph: Graph) -> list[Change]:
    """Replace every Rescaling and Normalization of an image; two that follow each other become one."""
    changes = []
    for call in list(graph.calls):
        affine = _affine(call)
        if affine is None or len(call.input.shape) != 4 or call.input.shape[-1] is None:
            continue
        channels = int(call.input.shape[-1])
        scale, offset = (np.broadcast_to(part, (channels,)).astype(np.float32) for part in affine)
        layer = graph.layer(
            "DepthwiseConv2D",
            call.layer.name + "_affine",
            [scale.reshape(1, 1, channels, 1), offset],
            kernel_size=1,
            trainable=False,
        )
        graph.replace(call, (layer, call.input, call.output))
        changes.append(
            Change(
                call.layer.name,
                call.layer.kind.__name__,
                "arithmetic inside the model that tfmot cannot quantize",
                "a depthwise 1x1 convolution, not trained",
            )
        )
    _merge(graph)
    return changes


def is_affine(call: Call) -> bool:
    """Whether the call is a depthwise 1x1 convolution that only scales and shifts the channels, and is not trained."""
    config = call.layer.config
    return (
        call.is_a("DepthwiseConv2D")
        and config.get("trainable") is False
        and config["kernel_size"] in (1, (1, 1), [1, 1])
        and config.get("depth_multiplier", 1) == 1
        and config.get("strides", 1) in (1, (1, 1), [1, 1])
        and bool(call.layer.weights)
    )


def _affine(call: Call) -> tuple[Any, Any] | None:
    """Scale and offset."""
    config = call.layer.config
    if call.is_a("Rescaling"):
        return np.asarray(config["scale"], np.float32), np.asarray(config["offset"], np.float32)
    if call.is_a("Normalization") and config["axis"] in (-1, [-1], (-1,), 3, [3], (3,)) and not config.get("invert"):
        if config.get("mean") is not None:
            mean, variance = np.ravel(config["mean"]), np.ravel(config["variance"])
        elif len(call.layer.weights) >= 2:
            mean, variance = (np.ravel(weight) for weight in call.layer.weights[:2])
        else:
            return None
        scale = 1 / np.maximum(np.sqrt(variance.astype(np.float32)), 1e-7)  # Keras's epsilon
        return scale, -mean.astype(np.float32) * scale
    return None


def _merge(graph: Graph) -> None:
    """Two such convolutions that follow each other become one."""
    for second in list(graph.calls):
        if not is_affine(second) or graph.shared(second.layer):
            continue
        first = graph.producer(second.input)
        if not is_affine(first) or graph.shared(first.layer) or graph.single_consumer(second.input) is not second:
            continue
        (scale, offset), (then_scale, then_offset) = _parts(first), _parts(second)
        second.layer.weights = [
            (scale * then_scale).reshape(1, 1, -1, 1),
            (offset * then_scale + then_offset).astype(np.float32),
        ]
        second.layer.config["use_bias"] = True
        graph.drop(first)


def _parts(call: Call) -> tuple[Float, Float]:
    kernel, *bias = call.layer.weights
    scale = kernel.reshape(-1)
    return scale, bias[0] if bias else np.zeros_like(scale)
