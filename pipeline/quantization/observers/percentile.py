"""The range without the rarest values."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.quantization.observers.histogram import Histogram


class Percentile:
    """From the (100 − p)-th to the p-th percentile, each end for itself.

    J. L. McKinstry et al., Discovering Low-Precision Networks Close to Full-Precision Networks for Efficient Embedded
    Inference, 2018. Zero is never clipped: an end that would pass it stays on it, so that a one-sided activation, as
    a ReLU leaves, keeps zero as its end. Right to a bin's width (see :class:`Histogram`) of the sample's percentile,
    which is numpy's, linear between the two nearest values.

    Args:
        percentile: p, above 50 up to 100; 100 is the exact smallest and largest value.

    Raises:
        InputError: a percentile outside its bounds.
    """

    extremes_only: ClassVar[bool] = False

    def __init__(self, percentile: float = 99.99) -> None:
        if not 50 < percentile <= 100:
            raise InputError(
                f"The percentile is above 50 and up to 100, for example 99.99, not {percentile}: it says what share "
                "of the values lies below the range's upper end."
            )
        self._percentile = percentile
        self._histogram = Histogram()

    def __str__(self) -> str:
        return f"percentile {self._percentile:g}"

    def observe(self, values: NDArray[np.float32]) -> None:
        self._histogram.add(values)

    def range(self) -> tuple[float, float]:
        histogram = self._histogram
        low, high = histogram.low, histogram.high
        if self._percentile < 100:
            low, high = _percentiles(histogram, self._percentile)
            # Within a bin of an extreme nothing is known but the extreme.
            low = histogram.low if low - histogram.low < histogram.width else low
            high = histogram.high if histogram.high - high < histogram.width else high
        return min(low, 0.0), max(high, 0.0)


def _percentiles(histogram: Histogram, percentile: float) -> tuple[float, float]:
    first, counts = histogram.occupied()
    below = np.concatenate([[0], np.cumsum(counts)])  # below[i]: values under bin i
    last = int(below[-1]) - 1

    def at(rank: int) -> float:
        """The value of a rank, 0 … last, as if a bin's values were spread evenly over it."""
        place = int(np.searchsorted(below, rank, side="right")) - 1
        within = (rank - int(below[place]) + 0.5) / int(counts[place])
        return (first + place + within) * histogram.width

    def between(rank: float) -> float:
        under = math.floor(rank)
        share = rank - under
        return (1 - share) * at(under) + share * at(min(under + 1, last))

    return between(last * (100 - percentile) / 100), between(last * percentile / 100)
