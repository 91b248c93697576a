"""Is every bias on the scale of what it is added to: input scale × weight scale?"""

from __future__ import annotations

import numpy as np

from pipeline.finding import Finding, percent
from pipeline.tflite.audit.formatting import count, operator, some
from pipeline.tflite.audit.subject import Subject

CHECK = "bias scale"
REFUSED = 0.02
"""TFLite's kernels refuse a difference above this share of the output's scale."""
ROUNDING = 1e-4
"""Relative difference that float32 scales may have by rounding."""


def check(subject: Subject) -> list[Finding]:
    wrong, refused, worst = [], False, 0.0
    for layer in subject.layers:
        if layer.bias is None or layer.bias_scales is None or not layer.bias.any():
            continue
        expected = layer.input_scale * layer.scales
        # A channel without weights may have any scale: nothing but its bias is in the sum.
        used = np.any(layer.weights != layer.zero_points[:, None], axis=1) & (layer.bias != 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.abs(layer.bias_scales - expected) / expected
        share = float(np.max(off[used], initial=0.0))
        if not share <= ROUNDING:
            worst = max(worst, share)
            wrong.append(f"{operator(layer.operator)} ({percent(share)})")
            refused |= bool(np.any(np.abs(layer.bias_scales - expected)[used] > REFUSED * layer.output_scale))
    if not wrong:
        return []
    return [
        Finding(
            CHECK,
            "error" if refused or worst > 0.01 else "warning",
            f"In {count(len(wrong), 'layer')} the bias's scale is not input scale × weight scale: {some(wrong)} off.",
            "Kernels add the bias as if it were: it counts for more or less than it should. "
            + ("TFLite refuses such a layer." if refused else "XNNPACK does so without a word."),
            "The file was edited, or written by a broken converter: quantize again from the float model.",
            {"layers": wrong[:20], "largest": worst},
        )
    ]
