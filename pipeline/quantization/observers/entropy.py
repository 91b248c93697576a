"""The range that loses least information."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.quantization.observers.histogram import Histogram

LEVELS = 256
"""Of an int8 activation."""

_CANDIDATES = 1024
"""Thresholds tried, at most; with more bins than that, every second, third or fourth."""


class Entropy:
    """The threshold whose quantized histogram is nearest to the clipped one in Kullback–Leibler divergence.

    S. Migacz, 8-bit Inference with TensorRT, GTC 2017. For a threshold T the histogram is clipped to −T..T, what lies
    outside counted to the end bins (P), and what lies inside is averaged over the bins, not empty, of each of the
    levels (Q); the T with the smallest KL(P‖Q) wins.

    TensorRT's ranges are symmetric and have 128 levels for |value|. Here ranges are affine:

    - The range for T is the part of −T..T that values reach: from max(min, −T) to min(max, T), on 256 levels. So a
      one-sided activation has a one-sided search; a lopsided one, as swish leaves, keeps its short side whole until T
      comes down to it; a symmetric one is treated as by TensorRT.
    - The range holds zero, and zero is one of its steps and costs nothing. So the zeros that a ReLU makes do not
      count: their bin is cut to the higher of its neighbours, as in NVIDIA's pytorch-quantization.
    - A level is at least one bin wide, so the shortest range is 256 bins, a sixteenth to an eighth of the whole.
    """

    extremes_only: ClassVar[bool] = False

    def __init__(self) -> None:
        self._histogram = Histogram()

    def __str__(self) -> str:
        return "entropy"

    def observe(self, values: NDArray[np.float32]) -> None:
        self._histogram.add(values)

    def range(self) -> tuple[float, float]:
        low, high = min(self._histogram.low, 0.0), max(self._histogram.high, 0.0)
        first, counts = self._histogram.occupied()
        bins = _threshold(counts, -first)
        if bins is None:
            return low, high
        threshold = bins * self._histogram.width
        return max(low, -threshold), min(high, threshold)


def _threshold(counts: NDArray[np.int64], zero: int) -> int | None:
    """The best threshold in bins away from zero, which is the lower edge of bin `zero`; None to clip nothing."""
    widest = max(zero, len(counts) - zero)
    thresholds = np.arange(widest, 0, -max(1, -(-widest // _CANDIDATES)))  # the whole range first
    starts, ends = np.maximum(zero - thresholds, 0), np.minimum(zero + thresholds, len(counts))
    wide = ends - starts >= LEVELS
    if not wide.any():
        return None
    divergences = _divergences(_without_zeros(counts, zero), starts[wide], ends[wide])
    best = int(np.argmin(divergences))  # the first of equals: what clips less
    return int(thresholds[best]) if best else None


def _without_zeros(counts: NDArray[np.int64], zero: int) -> NDArray[np.float64]:
    counted = counts.astype(np.float64)
    neighbours = np.concatenate([counted[max(zero - 1, 0) : zero], counted[zero + 1 : zero + 2]])
    counted[zero : zero + 1] = min(counted[zero], neighbours.max(initial=0))
    return counted


def _divergences(
    counts: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """KL(P‖Q) of the ranges of bins start … end − 1, each at least LEVELS bins, infinite where Q misses values.

    Q is the same for all bins of a level, so sums over a level's bins are differences of running sums, and the work
    does not grow with the bins: Σ P log(P/Q) = Σ P log P over bins − Σ P log Q over levels.
    """
    total = counts.sum()
    running, filled = _running(counts), _running(counts > 0)
    edges = starts[:, None] + (ends - starts)[:, None] * np.arange(LEVELS + 1) // LEVELS
    inside, bins = np.diff(running[edges]), np.diff(filled[edges])
    below, above = running[starts], total - running[ends]
    first, last = counts[starts], counts[ends - 1]

    clipped = inside.copy()
    clipped[:, 0] += below
    clipped[:, -1] += above
    bins[:, 0] += (below > 0) & (first == 0)
    bins[:, -1] += (above > 0) & (last == 0)

    entropy = _running(_times_log(counts))
    own = entropy[ends] - entropy[starts]
    own += _times_log(first + below) - _times_log(first) + _times_log(last + above) - _times_log(last)
    with np.errstate(divide="ignore", invalid="ignore"):
        quantized = np.log(inside / bins / inside.sum(axis=1, keepdims=True))
        cross = np.where(clipped > 0, clipped * quantized, 0.0).sum(axis=1)
        divergences: NDArray[np.float64] = (own - cross) / total - np.log(total)
    divergences[~np.isfinite(divergences)] = np.inf
    return divergences


def _running(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _times_log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = values * np.log(np.maximum(values, 1.0))  # of whole numbers: 0 log 0 = 0
    return product
