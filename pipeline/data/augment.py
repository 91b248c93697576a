"""Random changes to training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import Augment
from pipeline.tensors import Array


def changed(image: Array, augment: Augment, draws: NDArray[np.float64]) -> Array:
    """An image flipped left–right or not, and moved; what moves in repeats the edge.

    Args:
        image: [H, W, C].
        augment: The recipe's section.
        draws: Three random values in 0..1. The same ones change images that belong together alike, and there are three
            whatever they decide, so that one image's changes do not depend on another's.
    """
    toss, down, right = draws
    if augment.flip and toss < 0.5:
        image = image[:, ::-1]
    height, width = image.shape[:2]
    rows = _moved(height, round((2 * down - 1) * augment.shift * height))
    columns = _moved(width, round((2 * right - 1) * augment.shift * width))
    return image[rows[:, None], columns]


def _moved(length: int, by: int) -> NDArray[np.intp]:
    """For each position, the one it shows after a move."""
    return np.clip(np.arange(length) - by, 0, length - 1)
