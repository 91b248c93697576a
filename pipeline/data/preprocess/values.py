"""Numbers that are no images: tables, windows of time series, arrays of any rank."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pipeline.data.preprocess.image import check_scale, described_scale, scaled
from pipeline.data.preprocess.preprocessor import Preprocessor
from pipeline.errors import InputError
from pipeline.recipe import Preprocess
from pipeline.tensors import Array


class ValuesPreprocessor:
    """Scales numbers, as float32.

    Args:
        kind: What the numbers are.
        recipe: Of it the scale counts.
        names: Of the values along the last axis, for the description.
    """

    def __init__(self, kind: Literal["table", "window", "values"], recipe: Preprocess, names: tuple[str, ...] = ()):
        self.recipe = recipe
        self._kind = kind
        self._names = names

    @property
    def statistics_axis(self) -> int | None:
        """The last: a table's columns, a series' features."""
        return -1

    def __call__(self, raw: Array) -> Array:
        """
        Args:
            raw: Numbers of any shape.

        Raises:
            InputError: as :meth:`output_shape`.
        """
        self.output_shape(raw.shape)
        return scaled(raw.astype(np.float32), self.recipe)

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape as it is.

        Raises:
            InputError: mean or std have another number of values than the last axis.
        """
        check_scale(self.recipe, raw_shape)
        return raw_shape

    def describe(self) -> dict[str, Any]:
        """As an image's, without what only images have; `columns` where they have names."""
        named = {"columns": list(self._names)} if self._names else {}
        return {"kind": self._kind, "order": ["scale"], "size": None, **described_scale(self.recipe), **named}


class UnchangedPreprocessor:
    """Numbers that are fed as they are: token ids, flags, halves.

    Args:
        kind: `tokens` for whole numbers.
        dtype: What they are fed as.
    """

    def __init__(self, kind: Literal["tokens", "values"], dtype: np.dtype[Any]):
        self._kind = kind
        self._dtype = dtype

    @property
    def statistics_axis(self) -> int | None:
        """None: nothing here is standardized."""
        return None

    def __call__(self, raw: Array) -> Array:
        """
        Args:
            raw: Numbers of any shape.

        Raises:
            InputError: numbers that the type cannot hold.
        """
        return as_type(raw, self._dtype)

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape as it is."""
        return raw_shape

    def describe(self) -> dict[str, Any]:
        """The type; there is no scale to describe, but (x − 0)/1 says so too."""
        return {"kind": self._kind, "dtype": str(self._dtype), "size": None, **described_scale(Preprocess())}


class Typed:
    """What a preprocessor gives, as another type.

    Args:
        inner: What comes before.
        dtype: The type wanted.
    """

    def __init__(self, inner: Preprocessor, dtype: np.dtype[Any]) -> None:
        self.inner = inner
        self._dtype = dtype

    @property
    def statistics_axis(self) -> int | None:
        """The inner one's."""
        return self.inner.statistics_axis

    def __call__(self, raw: Array) -> Array:
        """
        Raises:
            InputError: the inner one's, or numbers that the type cannot hold.
        """
        return as_type(self.inner(raw), self._dtype)

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The inner one's.

        Raises:
            InputError: the inner one's.
        """
        return self.inner.output_shape(raw_shape)

    def describe(self) -> dict[str, Any]:
        """The inner one's, and `dtype`."""
        return self.inner.describe() | {"dtype": str(self._dtype)}


def as_type(x: Array, dtype: np.dtype[Any]) -> Array:
    """
    Raises:
        InputError: whole numbers are wanted, and x has others, or some beyond the type's range.
    """
    if dtype.kind == "f" or x.dtype == dtype:
        return x.astype(dtype)
    with np.errstate(invalid="ignore"):
        cast = x.astype(dtype)
    if not np.array_equal(cast, x):
        raise InputError(f"{x.dtype} values from {x.min():g} to {x.max():g} cannot be fed as {dtype}.")
    return cast
