"""Mean and standard deviation of the training split, kept with what prepares the examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.data.examples import Column, CorruptExampleError
from pipeline.data.preprocess.preprocessor import Preprocessor
from pipeline.errors import InputError
from pipeline.tensors import Array


class Standardized:
    """What a preprocessor gives, as (x − mean) / std.

    Args:
        inner: What comes before.
        mean: float32, of every entry along the inner one's `statistics_axis`, or of all values, [1].
        std: The same.
    """

    def __init__(self, inner: Preprocessor, mean: Array, std: Array) -> None:
        self.inner = inner
        self.mean = mean.astype(np.float32)
        self.std = std.astype(np.float32)

    @property
    def statistics_axis(self) -> int | None:
        """The inner one's."""
        return self.inner.statistics_axis

    def __call__(self, raw: Array) -> Array:
        """
        Raises:
            InputError: the inner one's.
        """
        x = self.inner(raw)
        axis = self.statistics_axis
        if axis is None or not x.ndim:
            return np.asarray((x - self.mean[0]) / self.std[0], np.float32)
        shape = [1] * x.ndim
        shape[axis] = -1
        return np.asarray((x - self.mean.reshape(shape)) / self.std.reshape(shape), np.float32)

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The inner one's.

        Raises:
            InputError: the inner one's.
        """
        return self.inner.output_shape(raw_shape)

    def describe(self) -> dict[str, Any]:
        """The inner one's, and `standardize` with mean and std, in units of what the inner one gives."""
        axis = self.statistics_axis
        statistics = {"mean": self.mean.tolist(), "std": self.std.tolist(), "axis": axis}
        return self.inner.describe() | {"standardize": statistics}


def standardized(inner: Preprocessor, training: Column, where: str, *, skip: bool) -> Standardized:
    """Standardize by the examples of the training split. A value that never changes keeps its unit: its std is 1.

    Args:
        inner: What comes before.
        training: The examples.
        where: The recipe's key, for messages.
        skip: Leave broken examples out.

    Raises:
        CorruptExampleError: an example is broken.
        InputError: none can be read, or they have different numbers of values.
    """
    count, first = 0, None
    total, squares = np.zeros(1), np.zeros(1)
    for index in range(len(training)):
        try:
            raw = training[index]
            x = np.asarray(inner(raw), np.float64)
            if not np.isfinite(x).all():
                raise CorruptExampleError(training.where(index), "it holds NaN or infinite values")
        except CorruptExampleError:
            if skip:
                continue
            raise
        axis = inner.statistics_axis
        values = x.reshape(-1, 1) if axis is None or not x.ndim else np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
        if first is None:  # sums about a typical value: those about 0 lose large offsets' digits
            first = values.mean(axis=0)
            total, squares = np.zeros_like(first), np.zeros_like(first)
        if values.shape[1] != len(first):
            raise InputError(
                f"{where}: {training.where(index)} has {values.shape[1]} values where {training.where(0)} has "
                f"{len(first)}; they cannot be standardized together."
            )
        count += len(values)
        total += (values - first).sum(axis=0)
        squares += ((values - first) ** 2).sum(axis=0)
    if first is None or not count:
        raise InputError(f"{where}: none of the training examples can be read.")
    shift = total / count
    std = np.sqrt(np.maximum(squares / count - shift**2, 0))
    mean = first + shift
    constant = std <= 1e-9 * np.maximum(1, np.abs(mean))
    return Standardized(inner, mean, np.where(constant, 1, std))
