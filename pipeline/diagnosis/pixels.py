"""Running statistics of a split's inputs, as the model sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NAMED = 3
"""Examples kept to be named in a message."""


class Pixels:
    """What is needed of all inputs, without keeping one.

    An example of rank 3 is an image [H, W, C]; any other counts as one channel.

    Attributes:
        count: Examples so far.
        low: The smallest value of each channel, float32 [C].
        high: The largest one.
        constant: Examples of one flat value in every channel.
        first_constant: Positions of the first of them.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self._channels = input_shape[-1] if len(input_shape) == 3 else 1
        self.count = 0
        self.constant = 0
        self.first_constant: list[int] = []
        self.low = np.full(self._channels, np.inf, np.float32)
        self.high = np.full(self._channels, -np.inf, np.float32)
        self._values = 0
        self._at_low = np.zeros(self._channels, np.int64)
        self._at_high = np.zeros(self._channels, np.int64)

    def add(self, positions: NDArray[np.int64], x: NDArray[np.float32]) -> None:
        """Take in examples [B, ...] that stand at these positions of their split, [B]."""
        flat = x.reshape(len(x), -1, self._channels)
        constant = (flat == flat[:, :1]).all(axis=(1, 2)) & (flat.shape[1] > 1)
        self.constant += int(constant.sum())
        self.first_constant += positions[constant].tolist()
        del self.first_constant[NAMED:]
        low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
        # A new extreme makes what was counted at the old one void.
        self._at_low[low < self.low] = 0
        self._at_high[high > self.high] = 0
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.count += len(x)
        varied = flat[~constant]
        self._at_low += (varied == self.low).sum(axis=(0, 1))
        self._at_high += (varied == self.high).sum(axis=(0, 1))
        self._values += varied.shape[0] * varied.shape[1]

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value of all."""
        return float(self.low.min()), float(self.high.max())

    @property
    def at_low(self) -> float:
        """Share of the values that are their channel's smallest one, 0..1. Flat examples and channels do not count."""
        return self._share(self._at_low)

    @property
    def at_high(self) -> float:
        """Share of the values that are their channel's largest one, 0..1."""
        return self._share(self._at_high)

    def _share(self, counts: NDArray[np.int64]) -> float:
        varied = self.low < self.high
        values = self._values * int(varied.sum())
        return float(counts[varied].sum() / values) if values else 0.0
