"""What calibration feeds, whatever the estimator."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray


class Observer(Protocol):
    """Turns the values of one activation, seen batch by batch, into a range.

    NaN and infinity never arrive: calibration refuses them by the activation's name before an observer sees them.
    `str()` of an observer names its method and settings.
    """

    extremes_only: ClassVar[bool]
    """True where the smallest and largest value of every example are all it needs: calibration then reads two
    numbers an example, not every value."""

    def observe(self, values: NDArray[np.float32]) -> None:
        """Take in the next examples.

        Args:
            values: float32 [B, ...]; with `extremes_only` [B, 2], each example's smallest and largest value. May be
                a view that is valid only during the call; it is never written to.
        """

    def range(self) -> tuple[float, float]:
        """(low, high) in real units, low ≤ high, after at least one `observe`. It need not hold zero."""
