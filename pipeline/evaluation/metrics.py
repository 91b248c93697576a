"""Measures of a classifier and how sure they are: top-k, agreement, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
"""The standard normal quantile that leaves 2.5 % above."""


@dataclass(frozen=True)
class Difference:
    """A difference of two accuracies with its 95 % interval, all fractions in −1..1."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


def top_k_hits(scores: NDArray[Any], labels: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Whether each example's label is among its k highest scores.

    Equal scores, which int8 outputs have often, rank in class order, so that k = 1 is `argmax`.

    Args:
        scores: real [B, C], higher is likelier; no NaN.
        labels: integer [B], 0..C−1.

    Returns:
        bool [B].
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    hits: NDArray[np.bool_] = ahead.sum(axis=1) < k
    return hits


def agreement(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Share of examples on which two models predict the same class; integer [n] each, n > 0."""
    return float(np.mean(first == second))


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """95 % score interval for one proportion, hits out of n > 0, as fractions.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference. JASA 22 (1927)
    209–212. It keeps its coverage at small n and near 0 and 1, where the textbook ± interval does not.
    """
    share, z2 = hits / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Difference:
    """Accuracy of the first model minus the second's on the same examples, with a 95 % score interval.

    T. Tango, Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design. Statistics in Medicine 17 (1998) 891–908. The interval is the set of differences
    that the score test does not reject. Only examples that exactly one model gets right carry information.
    With few of them the interval stays honest: n examples without any give ± z²/(n + z²), not ± 0.

    Args:
        first: bool [n], whether the first model is right; n > 0.
        second: bool [n], the same for the second model.
    """
    n = len(first)
    return paired_difference_of_counts(int(np.sum(first & ~second)), int(np.sum(~first & second)), n)


def paired_difference_of_counts(only_first: int, only_second: int, n: int) -> Difference:
    """As `paired_difference`, from counts: right in one of the models only, and examples in all (n > 0)."""
    value = (only_first - only_second) / n

    def score(difference: float) -> float:
        """Tango's statistic: standard normal where the true difference is this one; falls as it grows."""
        linear = (2 * n - only_first + only_second) * difference - only_first - only_second
        constant = -only_second * difference * (1 - difference)
        # The nuisance parameter's maximum likelihood estimate under this difference.
        share = (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        gap = only_first - only_second - n * difference
        if variance <= 0:
            return math.copysign(math.inf, gap) if gap else 0.0
        return gap / math.sqrt(variance)

    low = -1.0 if value == -1 else _crossing(score, Z95, -1.0, value)
    high = 1.0 if value == 1 else _crossing(score, -Z95, value, 1.0)
    return Difference(value, low, high)


def _crossing(falling: Callable[[float], float], level: float, low: float, high: float) -> float:
    for _ in range(60):  # halves of 2 reach float64's resolution
        middle = (low + high) / 2
        if falling(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2
