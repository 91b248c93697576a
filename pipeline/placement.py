"""Where a stored image lies in what a model is fed, so that boxes, points and masks can go there and back.

>>> placement = Placement(height=100, width=200, top=0.25, left=0.0, bottom=0.75, right=1.0)
>>> placement.to_input(np.array([[50.0, 100.0]]))
array([[0.5, 0.5]])
>>> placement.to_image(np.array([[0.5, 0.5]]))
array([[ 50., 100.]])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUFFIX = "_placement"
"""What the target that says the placement is called behind the name of the boxes', masks' or points' target."""


@dataclass(frozen=True)
class Placement:
    """The stored image's size in pixels, and where its edges lie in the model's input, as shares of its sides.

    Letterboxed, the edges lie inside 0..1; cropped, outside.
    """

    height: float
    width: float
    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0

    def to_input(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """(y, x) in pixels of the stored image, [..., 2] → shares of the input's sides."""
        return np.asarray(self._start + points / self._pixels * self._span)

    def to_image(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """(y, x) as shares of the input's sides, [..., 2] → pixels of the stored image."""
        return np.asarray((points - self._start) / self._span * self._pixels)

    def row(self) -> NDArray[np.float32]:
        """As a target stores it, float32 [6]: height, width, top, left, bottom, right."""
        return np.array([self.height, self.width, self.top, self.left, self.bottom, self.right], np.float32)

    @classmethod
    def of_row(cls, row: NDArray[np.floating]) -> Placement:
        """The other way round."""
        return cls(*(float(value) for value in row))

    @property
    def _pixels(self) -> NDArray[np.float64]:
        return np.array([self.height, self.width])

    @property
    def _start(self) -> NDArray[np.float64]:
        return np.array([self.top, self.left])

    @property
    def _span(self) -> NDArray[np.float64]:
        return np.array([self.bottom - self.top, self.right - self.left])
