"""Weights as int8: scales by the largest value or by the least squared error, and rounding to the nearest step.

Weights are symmetric (zero point 0, −127 to 127), as TFLite's int8 specification demands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WeightScales = Literal["max", "mse"]
LARGEST = 127
_SHRINKS = np.linspace(0.4, 1.0, 61)
"""Shares of the largest value that the search for the least squared error tries."""


@dataclass(frozen=True, eq=False)
class QuantizedWeights:
    """real = scale × stored."""

    stored: NDArray[np.int8]
    """Of the weights' shape."""
    scales: NDArray[np.float32]
    """[channels], or [1] for the whole tensor."""
    axis: int
    """The channels' axis; without meaning for one scale."""

    def real(self) -> NDArray[np.float32]:
        """The float weights that these stand for."""
        return self.stored.astype(np.float32) * broadcast(self.scales, self.axis, self.stored.ndim)


def broadcast(values: NDArray[np.float32], axis: int, dimensions: int) -> NDArray[np.float32]:
    """A vector over one axis, shaped to multiply a tensor; a single value is left to numpy."""
    if len(values) == 1:
        return values
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


def scales(
    weights: NDArray[np.float32], axis: int, *, per_channel: bool = True, method: WeightScales = "max"
) -> NDArray[np.float32]:
    """One scale for each output channel, or one for the tensor.

    Args:
        weights: float32, finite.
        axis: The output channels' axis.
        method: `max`: the largest magnitude becomes 127 and nothing is clipped. `mse`: the scale of the least squared
            error of rounding and clipping, the optimum that C. Sakr et al., Optimal Clipping and Magnitude-aware
            Differentiation for Improved Quantization-aware Training (ICML 2022), iterate to; searched here.

    Returns:
        float32 [channels] or [1], all positive: a channel of zeros has scale 1.
    """
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis] if per_channel else 1, -1)
    largest = np.abs(rows).max(axis=1).astype(np.float32)
    largest[largest == 0] = LARGEST
    found: NDArray[np.float32] = largest / np.float32(LARGEST)
    if method == "max":
        return found
    best, least = found.copy(), np.full(len(found), np.inf)
    for shrink in _SHRINKS:
        tried = (found * np.float32(shrink))[:, None]
        error = ((np.clip(np.rint(rows / tried), -LARGEST, LARGEST) * tried - rows) ** 2).sum(axis=1)
        better = error < least
        best[better], least[better] = tried[better, 0], error[better]
    return best


def nearest(weights: NDArray[np.float32], found: NDArray[np.float32], axis: int) -> QuantizedWeights:
    """Each weight on the nearest step of its channel's scale."""
    steps = np.rint(weights / broadcast(found, axis, weights.ndim))
    return QuantizedWeights(np.clip(steps, -LARGEST, LARGEST).astype(np.int8), found, axis)
