"""Values that any model may be given: black pictures, silence, constants, noise; the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import DTypeLike, NDArray

KINDS = ("zeros", "noise", "the lowest value", "the highest value")
"""Of :func:`plausible`, the likeliest first."""


def plausible(kind: str, shape: Sequence[int], dtype: DTypeLike, zero_point: int = 0) -> NDArray[Any]:
    """One input.

    Args:
        kind: One of `KINDS`. The lowest and highest value are those of 8 and 16 bit integers; −1 and 1 of floats, and
            0 and 1 of wider integers and booleans.
        shape: The input's.
        dtype: The input's: floats, integers or booleans.
        zero_point: What stands for zero, of a quantized input.
    """
    own = np.dtype(dtype)
    if kind == "noise":
        return noise(shape, own, default_rng(0))
    low, high = _limits(own)
    value = {"zeros": float(zero_point), "the lowest value": low, "the highest value": high}[kind]
    return np.full(shape, value, own)


def noise(shape: Sequence[int], dtype: DTypeLike, generator: Generator) -> NDArray[Any]:
    """Uniform values: floats in −1..1, 8 and 16 bit integers over their whole range, wider integers and booleans 0 or
    1, since they are often indices, which must stay inside some table."""
    own = np.dtype(dtype)
    low, high = _limits(own)
    if own.kind == "f":
        return np.asarray(generator.uniform(low, high, tuple(shape)), own)
    return np.asarray(generator.integers(int(low), int(high), tuple(shape), endpoint=True), own)


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "f":
        return -1.0, 1.0
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return float(limits.min), float(limits.max)
    return 0.0, 1.0
