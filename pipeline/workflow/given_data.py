"""Data that a caller holds in arrays or hands out in batches, with the questions that a recipe's data answers.

One input and one target have the names that they have where a recipe gives none; a mapping names its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from pipeline.errors import InputError
from pipeline.tensors import INPUT, OPEN, TARGET, Array, Batch, Tensors, TensorSpec

_AT_ONCE = 32
"""Examples in a batch that is only looked at."""

Arrays = ArrayLike | Mapping[str, ArrayLike]
"""One array [N, …], or several by tensor name."""
Batches = Callable[[], Iterable[Any]]
"""Goes through the examples once a call: batches of arrays, of mappings, of (inputs, targets), or `Batch`."""


class DataSource(Protocol):
    """What stages ask of data: a recipe's `Dataset`, or :class:`GivenData`."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...

    @property
    def targets(self) -> Mapping[str, TensorSpec]: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def preprocessors(self) -> Mapping[str, Any]: ...

    @property
    def skipped(self) -> Mapping[str, str]: ...

    def size(self, split: str) -> int: ...

    def batches(self, split: str, batch_size: int) -> Iterable[Batch]: ...


class GivenData:
    """
    Args:
        data: An array or a mapping of arrays (inputs), a pair of those (inputs, targets), or a function without
            arguments that goes through batches of either once a call. float64 is taken as float32; integers, booleans
            and float16 are taken as they are.

    Raises:
        InputError: none of these, no examples, or unequal numbers of them.
    """

    class_names: tuple[str, ...] = ()
    preprocessors: Mapping[str, Any] = MappingProxyType({})
    """Nothing is known of how the arrays were made."""

    def __init__(self, data: Any) -> None:
        self.skipped: dict[str, str] = {}
        self._arrays: Batch | None = None
        self._batches: Batches | None = None
        if callable(data) and not hasattr(data, "__array__"):
            self._batches = data
        elif isinstance(data, Iterator):
            raise InputError(
                "A generator can be gone through once, and the data is gone through several times: give the function "
                "that makes it (without calling it), or arrays."
            )
        else:
            self._arrays = as_batch(data)
            if len(self._arrays) == 0:
                raise InputError("The data holds no examples: its arrays have the length 0.")

    @cached_property
    def _specs(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        first = next(iter(self._stream(_AT_ONCE)), None)
        if first is None:
            raise InputError("The data holds no examples: the function gave no batch.")
        return _specs(first.inputs), _specs(first.targets)

    @property
    def inputs(self) -> dict[str, TensorSpec]:
        """What a batch holds for the model, by name; the batch is open."""
        return self._specs[0]

    @property
    def targets(self) -> dict[str, TensorSpec]:
        """What is known about the examples, by name; the batch is open."""
        return self._specs[1]

    @cached_property
    def _size(self) -> int:
        return len(self._arrays) if self._arrays is not None else sum(map(len, self._stream(_AT_ONCE)))

    def size(self, split: str) -> int:
        """How many examples there are; there is one split, whatever it is called."""
        return self._size

    def batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Go through the examples once, in their order; a function's batches stay as large as they are given."""
        return self._stream(batch_size)

    def _stream(self, batch_size: int) -> Iterator[Batch]:
        if self._arrays is not None:
            for start in range(0, len(self._arrays), batch_size):
                yield self._arrays[start : start + batch_size]
            return
        assert self._batches is not None
        for batch in self._batches():
            taken = as_batch(batch)
            if len(taken):
                yield taken


def as_batch(data: Any) -> Batch:
    """Arrays as named tensors.

    Raises:
        InputError: nothing that arrays can be made of, or unequal numbers of examples.
    """
    if isinstance(data, Batch):
        return data
    inputs, targets = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    batch = Batch(_named(inputs, INPUT), {} if targets is None else _named(targets, TARGET))
    sizes = {name: len(array) for name, array in (*batch.inputs.items(), *batch.targets.items())}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{name}' {size}" for name, size in sizes.items())
        raise InputError(f"The arrays hold different numbers of examples: {listed}. Each has one entry an example.")
    return batch


def _named(data: Any, name: str) -> Tensors:
    given = data if isinstance(data, Mapping) else {name: data}
    if not given:
        raise InputError("The data holds no arrays: the mapping is empty.")
    return {str(key): _array(value, str(key)) for key, value in given.items()}


def _array(value: Any, name: str) -> Array:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise InputError(f"'{name}' cannot be made an array: {error}.") from error
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        what = f"{type(value).__name__}" if array.ndim == 0 or array.dtype.kind == "O" else f"an array of {array.dtype}"
        raise InputError(
            f"Data is an array [N, …] of numbers, a mapping of such arrays, a pair (inputs, targets) of them, a data "
            f"set of pipeline.load_data, or a function that gives batches; '{name}' is {what}."
        )
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _specs(tensors: Tensors) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name, (OPEN, *array.shape[1:]), array.dtype) for name, array in tensors.items()}
