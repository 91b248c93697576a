"""Do other examples fit into the ranges that the calibration examples give?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis.input_statistics import InputStatistics, named
from pipeline.diagnosis.measured_ranges import Measured, Outside
from pipeline.finding import Finding, percent
from pipeline.tensors import TensorSpec
from pipeline.tflite.audit.formatting import short

CHECK = "ranges"
EXAMPLES = 100
"""Evaluation examples that are tried."""
BY_CHANCE = 0.001
"""Over all activations, how probable the exceedances may be where both splits are alike."""
MATERIAL = 0.001
"""Share of an activation's values that must be clipped to matter."""
RUINOUS = 0.10
"""Share from which on it is an error."""
WIDER = 4.0
"""Calibrated ranges this many times as wide as those needed waste two of the eight bits."""
_LISTED = 20
_CIRCUMSTANCES = {"images": "the same light and cameras", "recordings": "the same rooms and microphones"}


def not_finite(measured: Measured) -> list[Finding]:
    """Activations that become NaN or infinite on the calibration examples."""
    broken = np.flatnonzero(~measured.finite)
    if not len(broken):
        return []
    names = [measured.names[index] for index in broken]
    return [
        Finding(
            CHECK,
            "error",
            f"{len(names)} activations become NaN or infinite in calibration, '{short(names[0])}' the first.",
            "No range can be measured there, and none behind it: calibration stops.",
            "Look at the model's weights, and at the scale of its inputs.",
            {"activations": names[:_LISTED], "count": len(names)},
        )
    ]


def against_evaluation(measured: Measured, outside: Outside, split: str, nouns: str) -> list[Finding]:
    """Compare the calibrated ranges with what the evaluation split needs.

    Some of the evaluation examples exceed the ranges of any finite calibration set. How many is known whatever the
    values' distribution is, as long as both splits come from the same: that the k largest of n + m maxima are all among
    the m has the probability m!/(m−k)! · (n+m−k)!/(n+m)! (S. Rosenbaum, Tables for a nonparametric test of location,
    Ann. Math. Statist. 25, 1954). Only what is beyond that is reported.

    Args:
        measured: Over the calibration split.
        outside: Of the evaluation split.
        split: The evaluation split's name.
        nouns: What messages call the examples.
    """
    return [*_clipped(measured, outside, split, nouns), *_wasted(measured, outside, split)]


def _clipped(measured: Measured, outside: Outside, split: str, nouns: str) -> list[Finding]:
    n, m = measured.examples, outside.examples
    sure = np.log(BY_CHANCE / (2 * len(measured.names)))
    rare = np.array(
        [
            min(_log_exceedance(int(below), n, m), _log_exceedance(int(above), n, m)) < sure
            for below, above in zip(outside.below, outside.above, strict=True)
        ]
    )
    hit = np.flatnonzero(rare & (outside.share >= MATERIAL) & measured.finite)
    if not len(hit):
        return []
    hit = hit[np.argsort(-outside.share[hit])]
    worst = int(hit[0])
    share = float(outside.share[worst])
    at_input = any(place in hit and outside.share[place] >= RUINOUS for place in range(measured.inputs))
    low, high = measured.ends
    own_low, own_high = outside.measured.ends
    return [
        Finding(
            CHECK,
            "error" if share >= RUINOUS else "warning",
            f"In {len(hit)} of {len(measured.names)} activations, values of the {split} split lie outside the "
            f"calibrated range; the worst is '{short(measured.names[worst])}': {percent(share)} of its values, over "
            f"{max(outside.below[worst], outside.above[worst])} of {m} examples ({own_low[worst]:.3g} to "
            f"{own_high[worst]:.3g}, calibrated {low[worst]:.3g} to {high[worst]:.3g}).",
            "int8 clips these values: the strongest activations, which decide between classes, all become the same.",
            "The inputs themselves are on another scale than in the calibration: prepare both splits alike."
            if at_input
            else f"Draw the calibration {nouns} from where the {split} split is from: the same kinds in the same "
            f"shares, {_CIRCUMSTANCES.get(nouns, 'the same sources')}, the same preparation.",
            {
                "split": split,
                "examples": m,
                "calibration_examples": n,
                "activations": {
                    measured.names[index]: _facts(measured, outside, int(index)) for index in hit[:_LISTED]
                },
                "count": len(hit),
            },
        )
    ]


def _wasted(measured: Measured, outside: Outside, split: str) -> list[Finding]:
    usable = measured.finite & outside.measured.finite & (outside.measured.width > 0)
    if not usable.any() or measured.examples > 10 * outside.examples:
        return []  # the ranges of a handful of examples are narrower by nature
    ratio = measured.width[usable] / outside.measured.width[usable]
    typical = float(np.median(ratio))
    inputs = measured.width[: measured.inputs] / np.maximum(outside.measured.width[: measured.inputs], 1e-30)
    at_input = float(inputs.max(initial=0.0))
    if max(typical, at_input) < WIDER:
        return []
    place = "The inputs'" if at_input >= typical else "At the median an activation's"
    steps = 256 / max(typical, at_input)
    return [
        Finding(
            CHECK,
            "error" if at_input >= 2 * WIDER else "warning",
            f"{place} calibrated range is {max(typical, at_input):.0f} times as wide as the {split} split needs.",
            f"Of the 256 steps of int8 only some {steps:.0f} are used: the model sees its inputs coarsely.",
            "Look for calibration examples on another scale, or for a few extreme ones.",
            {"input": at_input, "median": typical, "split": split, "examples": outside.examples},
        )
    ]


def of_quantized_input(spec: TensorSpec, statistics: InputStatistics, inputs: int = 1) -> list[Finding]:
    """Compare the range that a quantized model's input can hold with what the recipe gives.

    Args:
        spec: The model's input, of an integer type.
        statistics: The calibration split's.
        inputs: How many the model has.
    """
    if spec.scale is None:
        return []
    limits = np.iinfo(spec.dtype)
    low, high = ((end - spec.zero_point) * spec.scale for end in (limits.min, limits.max))
    least, most = statistics.ends
    clipped = max(low - least, 0.0) + max(most - high, 0.0)
    used = (min(most, high) - max(least, low)) / (high - low)
    if clipped <= 0.25 * (most - least) and used >= 0.25:
        return []
    happens = (
        "What is beyond is clipped, all to the same value."
        if clipped > 0.25 * (most - least)
        else f"Inputs fall into {max(1, round(256 * used))} of 256 steps."
    )
    return [
        Finding(
            CHECK,
            "error",
            f"The model's {spec.dtype} input{named(statistics.of, inputs)} holds {low:.4g} to {high:.4g}; the recipe "
            f"gives {least:.4g} to {most:.4g}. It was calibrated on other inputs.",
            f"{happens} Accuracy is lost, in bad cases down to one class for all.",
            "Quantize the float model again with this recipe's data, or give the recipe it was made with.",
            {"model": [low, high], "inputs": [least, most], "steps_used": max(0.0, used)},
        )
    ]


def _facts(measured: Measured, outside: Outside, index: int) -> dict[str, Any]:
    def pair(ends: tuple[NDArray[np.float64], NDArray[np.float64]]) -> list[float]:
        return [float(end[index]) for end in ends]

    return {
        "calibrated": pair(measured.ends),
        "evaluation": pair(outside.measured.ends),
        "share": float(outside.share[index]),
        "examples_below": int(outside.below[index]),
        "examples_above": int(outside.above[index]),
    }


def _log_exceedance(count: int, n: int, m: int) -> float:
    """log P(the `count` largest of n + m are all among the m)."""
    return math.lgamma(m + 1) - math.lgamma(m - count + 1) + math.lgamma(n + m - count + 1) - math.lgamma(n + m + 1)
