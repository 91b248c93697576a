"""Small float networks of any make, without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tiny_models import Graph

NONE, RELU, RELU6 = 0, 1, 3
SIDE, CHANNELS = 8, 4


def stack(
    seed: int = 0, *, activation: int = RELU6, spread: float = 1.5, units: int = 5, dense_bias: bool = True
) -> bytes:
    """conv 3x3 → depthwise 3x3 (stride 2) → conv 1x1 → mean → dense, [?, 8, 8, 3] → [?, units].

    Args:
        activation: Of the convolutions.
        spread: How much the channels' sizes differ (standard deviation of their logarithms).
    """
    rng = np.random.default_rng(seed)
    graph = Graph()
    x = graph.tensor("x", [1, SIDE, SIDE, 3], open_batch=True)

    def constant(name: str, *shape: int, axis: int = 0, size: float = 0.3) -> int:
        values = rng.normal(0, size, shape)
        lengths = [1] * len(shape)
        lengths[axis] = -1
        values *= np.exp(rng.normal(0, spread, shape[axis])).reshape(lengths)
        return graph.tensor(name, list(shape), data=values.astype(np.float32))

    def layer(name: str, kind: str, options: str, inputs: list[int], shape: list[int], **values: Any) -> int:
        output = graph.tensor(name, shape, open_batch=True)
        graph.operator(kind, inputs, [output], options, **values)
        return output

    def ends(name: str, channels: int) -> list[int]:
        return [constant(f"{name}/bias", channels, size=0.05)]

    one = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    two = {**one, "strideH": 2, "strideW": 2}
    act = {"fusedActivationFunction": activation}
    inputs = [x, constant("conv/weights", CHANNELS, 3, 3, 3), *ends("conv", CHANNELS)]
    y = layer("conv", "CONV_2D", "Conv2DOptions", inputs, [1, SIDE, SIDE, CHANNELS], padding=0, **one, **act)
    inputs = [y, constant("depthwise/weights", 1, 3, 3, CHANNELS, axis=3), *ends("depthwise", CHANNELS)]
    shape = [1, SIDE // 2, SIDE // 2, CHANNELS]
    options = {"padding": 0, "depthMultiplier": 1, **two, **act}
    y = layer("depthwise", "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", inputs, shape, **options)
    inputs = [y, constant("pointwise/weights", 6, 1, 1, CHANNELS), *ends("pointwise", 6)]
    y = layer("pointwise", "CONV_2D", "Conv2DOptions", inputs, [1, 4, 4, 6], padding=1, **one, **act)
    axes = graph.tensor("axes", [2], "int32", data=np.array([1, 2]))
    y = layer("mean", "MEAN", "ReducerOptions", [y, axes], [1, 6], keepDims=False)
    inputs = [y, constant("dense/weights", units, 6, size=1), *(ends("dense", units) if dense_bias else [])]
    y = layer("dense", "FULLY_CONNECTED", "FullyConnectedOptions", inputs, [1, units])
    return graph.build([x], [y])


def examples(count: int = 48, seed: int = 1) -> np.ndarray:
    """float32 [count, 8, 8, 3] between −1 and 1: each with a level and a contrast of its own."""
    rng = np.random.default_rng(seed)
    levels, contrasts = rng.uniform(-0.6, 0.6, (count, 1, 1, 3)), rng.uniform(0.1, 0.4, (count, 1, 1, 1))
    return np.clip(rng.normal(levels, contrasts, (count, SIDE, SIDE, 3)), -1, 1).astype(np.float32)
