"""How sure a measured number is: intervals of shares, of paired differences, and of any metric by the bootstrap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
"""The standard normal quantile that leaves 2.5 % above."""
RESAMPLES, FEWEST = 1000, 200
"""Samples that a bootstrap draws, and for large statistics."""
_MOST_BYTES = 2**27
"""Of all samples' statistics together; larger ones are drawn fewer times."""

OfSample = Callable[[NDArray[np.int64]], float]
"""A metric of a sample, from how often each example is in it, [n]."""


@dataclass(frozen=True)
class Difference:
    """A metric of one model minus another's, with its 95 % interval; of shares as fractions, −1..1."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        return {name: finite_or_none(value) for name, value in vars(self).items()}


def finite_or_none(value: float) -> float | None:
    """For JSON, which has neither infinity nor NaN."""
    return value if math.isfinite(value) else None


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


def paired_bootstrap(first: NDArray[Any], second: NDArray[Any], metric: Callable[[NDArray[Any]], float]) -> Difference:
    """A metric of the first model minus the second's on the same examples, with a 95 % percentile interval.

    Examples are drawn with replacement, the same ones for both models, so that what makes an example hard for both
    cancels (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13). The same data give the same
    interval. 1,000 samples are drawn, of statistics of many bytes fewer, at least 200.

    Args:
        first: A statistic of each example, [n, …]; n > 0.
        second: The same for the second model.
        metric: From statistics to a number. Samples for which it is NaN (one class only has no AUC) do not count.
    """
    return bootstrap_difference(len(first), first.nbytes, _repeated(first, metric), _repeated(second, metric))


def bootstrap_interval(statistics: NDArray[Any], metric: Callable[[NDArray[Any]], float]) -> tuple[float, float]:
    """95 % percentile interval of a metric over examples; see :func:`paired_bootstrap`."""
    return bootstrap_ends(len(statistics), statistics.nbytes, _repeated(statistics, metric))


def bootstrap_difference(n: int, size: int, first: OfSample, second: OfSample) -> Difference:
    """As :func:`paired_bootstrap`, of n > 0 examples whose statistics take `size` bytes."""
    draws = [_minus(first(counts), second(counts)) for counts in _samples(n, size)]
    once = np.ones(n, np.int64)
    value = _minus(first(once), second(once))
    return Difference(value, *_ends(draws, value))


def bootstrap_ends(n: int, size: int, metric: OfSample) -> tuple[float, float]:
    """As :func:`bootstrap_interval`, of n > 0 examples whose statistics take `size` bytes."""
    return _ends([metric(counts) for counts in _samples(n, size)], metric(np.ones(n, np.int64)))


def _repeated(statistics: NDArray[Any], metric: Callable[[NDArray[Any]], float]) -> OfSample:
    return lambda counts: metric(np.repeat(statistics, counts, axis=0))


def paired_mean_difference(first: NDArray[Any], second: NDArray[Any]) -> Difference:
    """The mean of the first less that of the second, [n] each: by Tango's interval where both are 0 or 1 throughout."""
    if all(np.isin(values, (0, 1)).all() for values in (first, second)):
        return paired_difference(first.astype(np.bool_), second.astype(np.bool_))
    return paired_bootstrap(first, second, lambda values: float(np.mean(values)))


def resamples(size: int) -> int:
    """How many samples a bootstrap draws of statistics of so many bytes."""
    return max(FEWEST, min(RESAMPLES, _MOST_BYTES // max(size, 1)))


def _samples(n: int, size: int) -> Iterator[NDArray[np.int64]]:
    """How often each of n examples is in a sample of n, drawn with replacement."""
    generator = np.random.default_rng(0)
    for _ in range(resamples(size)):
        yield np.bincount(generator.integers(0, n, n), minlength=n)


def _minus(first: float, second: float) -> float:
    return 0.0 if first == second else first - second  # of two that are infinite too


def _ends(draws: Sequence[float], value: float) -> tuple[float, float]:
    known = np.array([draw for draw in draws if not np.isnan(draw)])
    if not len(known):
        return value, value
    # By order, not between two: where some are infinite, a mean of both ends would be NaN.
    low = np.percentile(known, 2.5, method="lower")
    return float(low), float(np.percentile(known, 97.5, method="higher"))
