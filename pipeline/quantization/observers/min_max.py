"""The whole range that was seen."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


class MinMax:
    """Smallest and largest value of all examples: clips nothing that calibration showed, whatever it costs in steps."""

    extremes_only: ClassVar[bool] = True

    def __init__(self) -> None:
        self._low, self._high = math.inf, -math.inf

    def __str__(self) -> str:
        return "min-max"

    def observe(self, values: NDArray[np.float32]) -> None:
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def range(self) -> tuple[float, float]:
        return self._low, self._high
