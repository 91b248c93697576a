"""Do the weights have the scales that were promised: one per output channel, and of different sizes?"""

from __future__ import annotations

import numpy as np

from pipeline.finding import Finding
from pipeline.tflite.audit.formatting import operator, some
from pipeline.tflite.audit.subject import Layer, Subject

CHECK = "per channel"
_PROMISING = ("int8", "int16x8", "weight_only")


def check(subject: Subject) -> list[Finding]:
    if subject.promised == "int8_per_tensor":
        return []
    weighted = [layer for layer in subject.layers if len(layer.weights) > 1]
    coarse = [layer for layer in weighted if layer.operator.weights and not layer.operator.weights.per_channel]
    alike = [
        layer
        for layer in weighted
        if layer.operator.weights and layer.operator.weights.per_channel and np.ptp(layer.scales) == 0
    ]
    return [*_coarse(coarse, len(weighted), subject.promised in _PROMISING), *_alike(alike)]


def _coarse(layers: list[Layer], of: int, promised: bool) -> list[Finding]:
    if not layers:
        return []
    bits = {operator(layer.operator): _lost_bits(layer) for layer in layers}
    worst = sorted(bits.items(), key=lambda entry: -entry[1])
    named = [f"{name} ({lost:.1f} bits)" for name, lost in worst]
    return [
        Finding(
            CHECK,
            "error" if promised else "warning",
            f"{len(layers)} of {of} layers have one weight scale for all channels"
            + (", though the file says that it was written per channel" if promised else "")
            + f": {some(named)}.",
            f"A channel of small weights is rounded by the largest one's step: at the median one loses "
            f"{worst[0][1]:.1f} of 8 bits in the worst of these layers.",
            "Quantize per channel: `pipeline export --int8` does so for all layers, Dense and depthwise too.",
            {"bits_lost_at_the_median": dict(worst[:20]), "count": len(layers), "layers": of},
        )
    ]


def _lost_bits(layer: Layer) -> float:
    """How many bits the median channel's weights lose to the layer's largest."""
    largest = np.abs(layer.weights.astype(np.int64) - layer.zero_points[:, None]).max(axis=1)
    live = largest[largest > 0]
    return float(np.log2(live.max() / np.median(live))) if len(live) else 0.0


def _alike(layers: list[Layer]) -> list[Finding]:
    if not layers:
        return []
    names = [operator(layer.operator) for layer in layers]
    return [
        Finding(
            CHECK,
            "warning",
            f"{len(layers)} layers have a scale for each channel, and all of them are the same: {some(names)}.",
            "That is one scale for all in another form: the channels of small weights lose bits all the same.",
            "Quantize from the float model with real per-channel scales.",
            {"layers": names[:20], "count": len(names)},
        )
    ]
