"""The range with the smallest error."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.quantization.observers.histogram import BINS, Histogram

_FINENESSES = (1, 4, 16, 64)
"""Steps to an octave in each round of the search."""


class MeanSquaredError:
    """The (low, high) whose affine grid of 2^bits steps has the smallest expected squared error on the histogram.

    Rounding and clipping together, as in R. Banner, Y. Nahshan, D. Soudry, Post-training 4-bit Quantization of
    Convolutional Networks for Rapid-Deployment, NeurIPS 2019 (there for assumed distributions), and the search over
    shrunk ranges of M. Nagel et al., A White Paper on Neural Network Quantization, 2021, section 3.1.

    Both ends shrink towards zero independently, by factors on a logarithmic scale: first in octaves from the whole
    range down to a bin's width, then three times around the best, each time four times as fine, to about a hundredth.
    The grid is TFLite's, which shifts a range by up to half a step so that zero is one of its steps. What comes out
    is the range as shifted.

    Values are taken as spread evenly over their bin, which lets the error be integrated exactly, however the bins
    lie to the steps. Values that no sample caught do not weigh, but the search starts at the exact extremes.

    Args:
        bits: Of the quantized type, 2 to 16.

    Raises:
        InputError: bits outside its bounds.
    """

    extremes_only: ClassVar[bool] = False

    def __init__(self, bits: int = 8) -> None:
        if not 2 <= bits <= 16:
            raise InputError(f"The mean squared error takes 2 to 16 bits, not {bits}.")
        self._bits = bits
        self._histogram = Histogram()

    def __str__(self) -> str:
        return "mean squared error" if self._bits == 8 else f"{self._bits}-bit mean squared error"

    def observe(self, values: NDArray[np.float32]) -> None:
        self._histogram.add(values)

    def range(self) -> tuple[float, float]:
        low, high = min(self._histogram.low, 0.0), max(self._histogram.high, 0.0)
        if high - low < np.finfo(np.float32).tiny:  # zero to every quantizer
            return low, high
        first, counts = self._histogram.occupied()
        edges = np.arange(first, first + len(counts) + 1, dtype=np.float64) * self._histogram.width
        return _on_grid(*_search(edges, counts, low, high, self._bits), self._bits)


def _search(
    edges: NDArray[np.float64], counts: NDArray[np.int64], low: float, high: float, bits: int
) -> tuple[float, float]:
    whole = np.zeros(1)  # octaves below an exact extreme
    everywhere = np.arange(math.log2(BINS) + 1, dtype=np.float64)
    low_octaves, high_octaves = everywhere if low else whole, everywhere if high else whole
    for fineness in _FINENESSES:
        errors = [_errors(edges, counts, low * 2.0**-down, high * 2.0**-high_octaves, bits) for down in low_octaves]
        row, column = np.unravel_index(np.argmin(errors), (len(low_octaves), len(high_octaves)))  # of equals the widest
        best_low, best_high = float(low_octaves[row]), float(high_octaves[column])
        low_octaves = _around(best_low, fineness) if low else whole
        high_octaves = _around(best_high, fineness) if high else whole
    return low * 2.0**-best_low, high * 2.0**-best_high


def _on_grid(low: float, high: float, bits: int) -> tuple[float, float]:
    step = (high - low) / (2**bits - 1)
    lowest = round(low / step)
    return lowest * step, (lowest + 2**bits - 1) * step


def _around(centre: float, fineness: int) -> NDArray[np.float64]:
    """What lies up to one step of this round from its best, four times as fine; nothing above the whole range."""
    return np.unique(np.maximum(centre + np.arange(-4, 5) / (4 * fineness), 0.0))


def _errors(
    edges: NDArray[np.float64], counts: NDArray[np.int64], low: float, highs: NDArray[np.float64], bits: int
) -> NDArray[np.float64]:
    """Summed squared error of a histogram, for ranges with one lower and several upper ends.

    In units of the step s, a value u = x / s is stored as q = round(u), clipped to the grid, and errs by u − q. The
    integral of (u − q)² from 0 to u is q / 12 + (u − q)³ / 3: a twelfth for every whole step, and it stays right
    where q is clipped. A bin's expected error is its difference over the bin, by the bin's width.

    Args:
        edges: float64 [n + 1], of the bins, real units.
        counts: int64 [n].
        low: ≤ 0.
        highs: float64 [k], ≥ 0; not 0 where low is.

    Returns:
        float64 [k], in squared real units.
    """
    steps = (highs - low)[:, None] / (2**bits - 1)
    lowest = np.rint(low / steps)
    scaled = edges / steps
    stored = np.clip(np.rint(scaled), lowest, lowest + 2**bits - 1)
    off = scaled - stored
    integrals = stored / 12 + off * off * off / 3
    errors: NDArray[np.float64] = (np.diff(integrals) @ counts) * steps[:, 0] ** 3 / (edges[1] - edges[0])
    return errors
