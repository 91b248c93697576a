"""Are the classes of the evaluation in the calibration data, and about as often?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.statistics import wilson_interval
from pipeline.finding import Finding, percent

CHECK = "classes"
BY_CHANCE = 0.01
"""Classes are missing, or one prevails, where a random draw from the evaluation split does as much more rarely."""
PREVAILS = 0.5
"""Share from which on one class can be said to prevail."""
_NAMED = 5


def classes(
    calibration: NDArray[np.int64], reference: NDArray[np.int64], split: str, names: Sequence[str]
) -> list[Finding]:
    """Compare what classes there are, allowing for what a random draw leaves out.

    Args:
        calibration: Labels of the calibration split, [n].
        reference: Labels of the evaluation split, [m].
        split: The evaluation split's name.
        names: Class names by index.
    """
    size = max(int(calibration.max()), int(reference.max())) + 1
    here, there = np.bincount(calibration, minlength=size), np.bincount(reference, minlength=size)
    return _prevailing(here, there, split, names) or _missing(here, there, split, names)


def _missing(here: NDArray[np.int64], there: NDArray[np.int64], split: str, names: Sequence[str]) -> list[Finding]:
    missing = np.flatnonzero((there > 0) & (here == 0))
    n, m = int(here.sum()), int(there.sum())
    # A class's share is taken at its lower bound: two examples in the test say little of how many are due here.
    absent = [(1 - wilson_interval(int(count), m)[0]) ** n for count in there[there > 0]]
    if not len(missing) or _poisson_tail(len(missing), sum(absent)) > BY_CHANCE:
        return []
    listed = ", ".join(names[index] for index in missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
    return [
        Finding(
            CHECK,
            "warning",
            f"{len(missing)} of the {int((there > 0).sum())} classes of the {split} split are not among the {n} "
            f"calibration examples: {listed}.",
            "Values that only these classes cause are not in the ranges; int8 clips them, and these classes lose most.",
            "Draw the calibration examples at random from all classes, each in its share.",
            {
                "missing": [names[index] for index in missing[:100]],
                "missing_count": len(missing),
                "expected_missing": sum(absent),
                "classes": int((there > 0).sum()),
                "examples": n,
            },
        )
    ]


def _prevailing(here: NDArray[np.int64], there: NDArray[np.int64], split: str, names: Sequence[str]) -> list[Finding]:
    first = int(here.argmax())
    count, n = int(here[first]), int(here.sum())
    share, share_there = count / n, float(there[first] / there.sum())
    _, at_most = wilson_interval(int(there[first]), int(there.sum()))
    if share < PREVAILS or share < 2 * share_there or _binomial_tail(count, n, at_most) > BY_CHANCE:
        return []
    return [
        Finding(
            CHECK,
            "warning",
            f"{percent(share)} of the {n} calibration examples are of one class, {names[first]}; in the {split} split "
            f"it is {percent(share_there)}. {int(((there > 0) & (here == 0)).sum())} of its {int((there > 0).sum())} "
            "classes are missing.",
            "The ranges are this class's; the others are measured on few examples or none, and are clipped.",
            "Draw the calibration examples at random from all classes, each in its share.",
            {"class": names[first], "share": share, "evaluation_share": share_there, "examples": n},
        )
    ]


def _poisson_tail(count: int, expected: float) -> float:
    """P(at least `count`). The number of empty classes spreads less than Poisson's, so this errs to silence."""
    if expected <= 0:
        return 0.0
    below = sum(math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) for k in range(count))
    return max(0.0, 1 - below)


def _binomial_tail(count: int, n: int, share: float) -> float:
    """P(at least `count` of n)."""
    if share >= 1:
        return 1.0
    logs = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(share) + (n - k) * math.log1p(-share)
        for k in range(count, n + 1)
    )  # fmt: skip
    return sum(math.exp(value) for value in logs)
