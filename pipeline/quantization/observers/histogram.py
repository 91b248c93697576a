"""A histogram of values whose range is not known beforehand, in constant memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.quantization.observers.sampling import sample

BINS = 4096
"""More than half of them lie between the extremes of the sample (zero included): 8 bins or more to an int8 step."""

_SMALLEST_EXPONENT = -126
"""Bins as narrow as the smallest normal float32; what is smaller is zero to every quantizer."""


class Histogram:
    """Counts of a sample of the values, in `BINS` bins of equal width, and the exact extremes of all values.

    Bin k holds k · width ≤ value < (k + 1) · width. The width is a power of two, so that scaling a float32 to bins
    is exact, and zero is always an edge, so that what is one-sided stays so. When values fall outside, the width
    doubles as often as needed and bins merge pairwise, k → ⌊k / 2⌋, as in the calibrators of TensorRT and PyTorch
    but without splitting a count: the histogram is at all times the one that its width would have given from the
    start. The bins always reach to zero, since every quantized range does.

    One outlier makes all bins wide. A sample that reaches 1e30 and else stays below 1 lies in a single bin.
    """

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        """Exact extremes of all values, counted or not."""
        self._counts = np.zeros(BINS, np.int64)
        self._exponent = _SMALLEST_EXPONENT
        self._first = 0  # the number k of the first bin
        self._reach = (0.0, 0.0)  # extremes of what was counted, and zero
        self._seen = 0

    @property
    def width(self) -> float:
        """Of a bin, in real units."""
        return math.ldexp(1.0, self._exponent)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count a sample of float32 [B, ...] values, all finite; see :mod:`.sampling`."""
        if not values.size:
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        taken = np.ascontiguousarray(sample(values, self._seen))
        self._seen += values.size
        self._make_room(float(taken.min()), float(taken.max()))
        # A product with a power of two and whole numbers up to BINS are exact in float32.
        bins = taken * np.float32(math.ldexp(1.0, -self._exponent))
        np.floor(bins, out=bins)
        bins -= np.float32(self._first)
        self._counts += np.bincount(bins.astype(np.intp), minlength=BINS)

    def occupied(self) -> tuple[int, NDArray[np.int64]]:
        """The shortest run of bins that holds zero and every counted value.

        Returns:
            The number k ≤ 0 of its first bin, and int64 [n] counts, 1 ≤ n ≤ `BINS`; value 0 lies in bin −k.
        """
        numbers = np.append(np.flatnonzero(self._counts) + self._first, 0)
        first, last = int(numbers.min()), int(numbers.max())
        return first, self._counts[first - self._first : last + 1 - self._first].copy()

    def _make_room(self, low: float, high: float) -> None:
        low, high = min(low, self._reach[0]), max(high, self._reach[1])
        self._reach = low, high
        if low >= self._first * self.width and high < (self._first + BINS) * self.width:
            return
        exponent = self._exponent
        while _bin(high, exponent) - _bin(low, exponent) >= BINS:
            exponent += 1
        spare = BINS - 1 - (_bin(high, exponent) - _bin(low, exponent))
        below = 0 if low >= 0 else spare if high <= 0 else spare // 2
        self._move(exponent, _bin(low, exponent) - below)

    def _move(self, exponent: int, first: int) -> None:
        before = np.flatnonzero(self._counts)
        # Numbers below 2^12 are 0 or −1 after 63 halvings, as after any more, which int64 could not shift.
        merged = (before + self._first) >> min(exponent - self._exponent, 63)
        counts = np.zeros(BINS, np.int64)
        np.add.at(counts, merged - first, self._counts[before])
        self._counts, self._exponent, self._first = counts, exponent, first


def _bin(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))
