"""What a task's answer to one image looks like on a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassAnswer:
    """One class."""

    index: int
    probability: float | None = None
    """0..1; None for a label."""


@dataclass(frozen=True, eq=False)
class BoxesAnswer:
    """Objects with their boxes."""

    boxes: NDArray[np.floating]
    """[n, 4]: y_min, x_min, y_max, x_max as shares of the image's sides."""
    classes: NDArray[np.integer]
    """[n]."""
    scores: NDArray[np.floating] | None = None
    """[n], 0..1; None for labels."""


@dataclass(frozen=True, eq=False)
class MaskAnswer:
    """A class for each pixel."""

    classes: NDArray[np.integer]
    """[h, w], of any resolution; `boxes.IGNORED` counts for nothing."""


@dataclass(frozen=True, eq=False)
class PointsAnswer:
    """Named points."""

    points: NDArray[np.floating]
    """[K, 2]: y, x as shares of the image's sides."""
    visible: NDArray[np.bool_]
    """[K]."""


Drawable = ClassAnswer | BoxesAnswer | MaskAnswer | PointsAnswer
