"""How far quantized values are from the float ones, summed over a stream."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
_SMALL = 1e-30


class Noise:
    """Signal, noise and direction of all the values added so far."""

    def __init__(self) -> None:
        self._signal = self._found = self._noise = self._product = 0.0

    def add(self, expected: Float, found: Float) -> None:
        """Float values of any shape, and the same ones after quantization."""
        self._signal += _dot(expected, expected)
        self._found += _dot(found, found)
        self._product += _dot(expected, found)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = expected - found
        self._noise += _dot(difference, difference)

    @property
    def finite(self) -> bool:
        """Whether no NaN or infinity was among them."""
        return math.isfinite(self._signal) and math.isfinite(self._found)

    @property
    def sqnr_db(self) -> float:
        """10·log10(Σ expected² / Σ (expected − found)²): infinite without noise.

        −infinite without signal, or where the noise is not finite.
        """
        if self._noise == 0:
            return math.inf
        if self._signal == 0 or not math.isfinite(self._noise):
            return -math.inf
        return 10 * math.log10(self._signal / self._noise)

    @property
    def cosine(self) -> float:
        """Σ expected·found / (|expected|·|found|), −1..1; 1 where both are all zeros, 0 where one is.

        0 too where a value is not finite.
        """
        if not self.finite:
            return 0.0
        lengths = math.sqrt(self._signal) * math.sqrt(self._found)
        if lengths == 0:
            return 1.0 if self._signal == self._found else 0.0
        return max(-1.0, min(1.0, self._product / lengths))


def _dot(first: Float, second: Float) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(np.vdot(first, second))
    # float32 is several times as fast; its squares overflow at values around 1e18 and vanish around 1e-20.
    if _SMALL < abs(value) < math.inf:
        return value
    with np.errstate(invalid="ignore"):
        return float(np.vdot(first.astype(np.float64), second.astype(np.float64)))
