"""Are there output channels whose weights are all zero?"""

from __future__ import annotations

import numpy as np

from pipeline.finding import Finding, percent
from pipeline.tflite.audit.formatting import count, operator, some
from pipeline.tflite.audit.subject import Subject

CHECK = "zero rows"
MANY = 0.1
"""Share of a layer's channels from which on it is a warning."""


def check(subject: Subject) -> list[Finding]:
    rows: dict[str, tuple[int, int]] = {}
    for layer in subject.layers:
        dead = int(np.count_nonzero(np.all(layer.weights == layer.zero_points[:, None], axis=1)))
        if dead:
            rows[operator(layer.operator)] = dead, len(layer.weights)
    if not rows:
        return []
    total = sum(dead for dead, _ in rows.values())
    share = max(dead / channels for dead, channels in rows.values())
    worst = sorted(rows.items(), key=lambda entry: -entry[1][0] / entry[1][1])
    named = [f"{name} ({dead} of {channels})" for name, (dead, channels) in worst]
    return [
        Finding(
            CHECK,
            "error" if share == 1 else "warning" if share >= MANY else "note",
            f"The weights of {count(total, 'output channel')} in {count(len(rows), 'layer')} are all zero: "
            f"{some(named)}.",
            "These channels give their bias and nothing else, and cost as much as the others."
            if share < 1
            else "A layer whose weights are all zero passes nothing on: the model does not see its input.",
            "Where the float model's are zero too (pruned, or dead after training), take the channels out. Where they "
            "are not, one scale for all channels is too coarse: quantize per channel."
            if share < MANY
            else f"{percent(share)} of a layer: compare with the float weights. If those are not zero, quantize per "
            "channel, or equalize.",
            {"layers": {name: {"zero": dead, "channels": channels} for name, (dead, channels) in worst[:20]}},
        )
    ]
