"""A typical example's range."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError


class MovingAverage:
    """Exponential moving average of the examples' smallest and of their largest values.

    B. Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
    CVPR 2018, section 3.1. The average runs over examples, not batches, so that the batch size changes nothing.

    An average that starts at the first example leans on it for 1 / (1 − momentum) examples. Here it is corrected as
    in D. P. Kingma, J. Ba, Adam, ICLR 2015, section 3: an average that started at zero, divided by 1 − momentum^t.
    So the weights of t examples are 1, momentum, momentum², … back from the last, scaled to the sum 1; while t is
    well below 1 / (1 − momentum) this is nearly the plain mean.

    Args:
        momentum: What the earlier examples keep, 0 ≤ momentum < 1; 0.99 averages over some 100 examples.

    Raises:
        InputError: momentum outside its bounds.
    """

    extremes_only: ClassVar[bool] = True

    def __init__(self, momentum: float = 0.99) -> None:
        if not 0 <= momentum < 1:
            raise InputError(f"The moving average takes a momentum of 0 to below 1, for example 0.99, not {momentum}.")
        self._momentum = momentum
        self._left = 1.0  # momentum^t: what an average that started at zero would still owe to that start
        self._low, self._high = 0.0, 0.0

    def __str__(self) -> str:
        return f"moving average {self._momentum:g}"

    def observe(self, values: NDArray[np.float32]) -> None:
        for low, high in values.tolist():
            self._left *= self._momentum
            new = (1 - self._momentum) / (1 - self._left)  # 1 for the first example
            # In this form every rounding is monotone, so low never passes high.
            self._low = (1 - new) * self._low + new * low
            self._high = (1 - new) * self._high + new * high

    def range(self) -> tuple[float, float]:
        return self._low, self._high
