"""Can a layer's sum leave int32?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.finding import Finding
from pipeline.tflite.audit.formatting import count, operator, some
from pipeline.tflite.audit.subject import LIMITS, Layer, Subject

CHECK = "int32 overflow"
MOST = 2**31 - 1


def check(subject: Subject) -> list[Finding]:
    wrong: dict[str, int] = {}
    harmless: dict[str, int] = {}
    possible = []
    for layer in subject.layers:
        bias = np.zeros(len(layer.weights), np.int64) if layer.bias is None else layer.bias
        clipped = np.abs(bias) >= MOST
        # Far below zero before a ReLU, the channel gives 0 with the clipped bias as with the true one.
        silent = clipped & (bias < 0) & (layer.operator.fused_activation in ("RELU", "RELU6"))
        if silent.any():
            harmless[operator(layer.operator)] = int(silent.sum())
        if (clipped & ~silent).any():
            wrong[operator(layer.operator)] = int((clipped & ~silent).sum())
        # Where all of int32 is less than half a step of the output, wrapping around changes nothing.
        matters = 2.0**32 * layer.multipliers >= 0.5
        most = worst_sum(layer, ~clipped & matters)
        if most > MOST:
            possible.append(f"{operator(layer.operator)} (2^{math.log2(most):.2f})")
    return [*_clipped(wrong), *_possible(possible), *_silent(harmless)]


def _clipped(channels: dict[str, int]) -> list[Finding]:
    if not channels:
        return []
    return [
        Finding(
            CHECK,
            "error",
            f"In {count(len(channels), 'layer')} {count(sum(channels.values()), 'channel')} with a bias at the end of "
            f"int32: {some(list(channels))}.",
            "It was clipped when it was quantized: input scale × weight scale is too small for it, as where a "
            "channel's weights are tiny beside its bias. These channels give something else than in float.",
            "Equalize the channels (quantize.equalize: true), or fold such constant channels into the next layer.",
            {"channels": channels},
        )
    ]


def _silent(channels: dict[str, int]) -> list[Finding]:
    if not channels:
        return []
    return [
        Finding(
            CHECK,
            "note",
            f"In {count(len(channels), 'layer')} {count(sum(channels.values()), 'channel')} with a negative bias at "
            f"the end of int32, before a ReLU: {some(list(channels))}.",
            "None: the channel is 0 with the clipped bias as with the true one. It died in training, and costs as "
            "much as the others.",
            "Take such channels out of the float model if size or speed matter.",
            {"channels": channels},
        )
    ]


def _possible(layers: list[str]) -> list[Finding]:
    if not layers:
        return []
    return [
        Finding(
            CHECK,
            "warning",
            f"In {count(len(layers), 'layer')} the largest possible sum of products and bias exceeds 2^31: "
            f"{some(layers)}.",
            "An input that excites all weights at once would wrap around: a large value becomes its opposite.",
            "Keep these layers in float (--keep), or split them; large biases shrink with quantize.equalize: true.",
            {"layers": layers[:20]},
        )
    ]


def worst_sum(layer: Layer, channels: NDArray[np.bool_] | None = None) -> int:
    """The largest |bias + Σ w·(x − zero point)| over all inputs, and over all channels or the given ones, bool [C]."""
    low, high = LIMITS[layer.input_type]
    span = max(high - layer.input_zero_point, layer.input_zero_point - low)
    weights = np.abs(layer.weights.astype(np.int64) - layer.zero_points[:, None])
    sums = weights.sum(axis=1) * span + (0 if layer.bias is None else np.abs(layer.bias))
    return int((sums if channels is None else sums[channels]).max(initial=0))
