"""Are activations at the ends of their range on real data?"""

from __future__ import annotations

from pipeline.finding import Finding, percent
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import short, some
from pipeline.tflite.audit.subject import LIMITS, Subject
from pipeline.tflite.inspect import Operator

CHECK = "saturation"
OFTEN, RUINOUS = 0.01, 0.10
"""Share of an activation's values at an end from which on it is a warning, and an error."""
STRAY = 8
"""So many values may stand at an end: a range that fits just reaches both."""
FEW = 32
"""An activation that uses fewer steps than this on all of the data has a range too wide."""
_FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "LOG_SOFTMAX"})
"""Operators whose scale the kernels fix: their ends are where they belong."""
_MOVES = frozenset(
    {"RESHAPE", "MAX_POOL_2D", "PAD", "CONCATENATION", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "GATHER"}
)
"""Operators that only move values: what is at an end was there before."""


def check(subject: Subject) -> list[Finding]:
    if subject.observed is None:
        return []
    clipped: dict[str, float] = {}
    narrow: dict[str, int] = {}
    for operator, tensor in subject.activations():
        name, dtype = flatbuffer.tensor_name(tensor), flatbuffer.tensor_type(tensor)
        found = subject.observed.get(name)
        if found is None or dtype not in LIMITS or (operator and operator.name in _FIXED | _MOVES):
            continue
        low, high = _cut(operator, tensor)
        share = (found.at_low if low else 0.0) + (found.at_high if high else 0.0)
        if share >= OFTEN and share * found.values > STRAY:
            clipped[short(name)] = share
        if 1 < found.used < FEW:
            narrow[short(name)] = found.used
    return [*_clipped(clipped), *_narrow(narrow)]


def _cut(operator: Operator | None, tensor: object) -> tuple[bool, bool]:
    """Whether the smallest and the largest step cut values off. An end that stands for 0, or for a ReLU6's 6, does not:
    a range starts at 0 where nothing is below it."""
    if operator is None:
        return False, False  # black and white pixels belong at the ends
    parameters = flatbuffer.quantization(tensor)
    assert parameters is not None
    low, high = LIMITS[flatbuffer.tensor_type(tensor)]
    zero, scale = int(parameters.zero_points[0]), float(parameters.scales[0])
    six = "RELU6" in (operator.fused_activation, operator.name)
    return zero > low, zero < high and not (six and (high - zero) * scale >= 6 * 0.98)


def _clipped(shares: dict[str, float]) -> list[Finding]:
    if not shares:
        return []
    worst = sorted(shares.items(), key=lambda entry: -entry[1])
    named = [f"'{name}' ({percent(share)})" for name, share in worst]
    most = worst[0][1]
    return [
        Finding(
            CHECK,
            "error" if most >= RUINOUS else "warning",
            f"{len(shares)} activations stand at an end of their range often: {some(named)} of their values.",
            "Beyond the end all values are the same: the strongest answers cannot be told apart.",
            "Calibrate on examples like these, or by min-max instead of a percentile.",
            {"shares": dict(worst[:20]), "count": len(shares)},
        )
    ]


def _narrow(steps: dict[str, int]) -> list[Finding]:
    if not steps:
        return []
    worst = sorted(steps.items(), key=lambda entry: entry[1])
    named = [f"'{name}' ({used} steps)" for name, used in worst]
    return [
        Finding(
            CHECK,
            "warning",
            f"{len(steps)} activations use fewer than {FEW} of 256 steps on this data: {some(named)}.",
            "They are as coarse as 5 bits or less: the range was calibrated far wider than needed.",
            "Look for outliers in the calibration data, or take a percentile (quantize.calibration: percentile).",
            {"steps": dict(worst[:20]), "count": len(steps)},
        )
    ]
