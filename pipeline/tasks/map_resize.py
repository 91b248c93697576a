"""Maps of scores or classes in another size, as TFLite's RESIZE operators with half-pixel centres have it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def bilinear(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """[h, w, C] → [*size, C]; rows first, then columns, each a + (b − a) · share in float32."""
    for axis, wanted in enumerate(size):
        if values.shape[axis] == wanted:
            continue
        low, high, share = _places(values.shape[axis], wanted)
        first, second = np.take(values, low, axis=axis), np.take(values, high, axis=axis)
        values = first + (second - first) * share.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    return values


def nearest(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """[h, w] → [*size]: the value of the pixel in which each new one's middle lies."""
    rows, columns = (((2 * np.arange(n) + 1) * own) // (2 * n) for own, n in zip(values.shape, size, strict=True))
    found: NDArray[Any] = values[rows[:, None], columns[None]]
    return found


def _places(own: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each new place the two old ones around it, and how far it is from the first to the second."""
    half = np.float32(0.5)
    place = (np.arange(wanted, dtype=np.float32) + half) * np.float32(own / wanted) - half
    low = np.floor(place)
    share = place - low
    first, second = (np.clip(low.astype(np.int64) + one, 0, own - 1) for one in (0, 1))
    return first, second, share
