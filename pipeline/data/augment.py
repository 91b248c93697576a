"""Random changes to training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import Augment


def augmented(image: NDArray[np.float32], augment: Augment, rng: np.random.Generator) -> NDArray[np.float32]:
    """An image flipped left–right or not, and moved; what moves in repeats the edge.

    Draws the same number of random values whatever they decide, so that one image's changes do not depend on
    another's.

    Args:
        image: float32 [H, W, C].
        augment: The recipe's section.
        rng: Where the chances come from.
    """
    toss, down, right = rng.random(3)
    if augment.flip and toss < 0.5:
        image = image[:, ::-1]
    height, width = image.shape[:2]
    rows = _moved(height, round((2 * down - 1) * augment.shift * height))
    columns = _moved(width, round((2 * right - 1) * augment.shift * width))
    return image[rows[:, None], columns]


def _moved(length: int, by: int) -> NDArray[np.intp]:
    """For each position, the one it shows after a move."""
    return np.clip(np.arange(length) - by, 0, length - 1)
