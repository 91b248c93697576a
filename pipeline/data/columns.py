"""Columns of numbers: arrays, someone else's sequences, tables, windows of time series."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.examples import ColumnKind, CorruptExampleError
from pipeline.tensors import Array


class ArrayColumn:
    """Entries along the first axis of an array, which may be memory-mapped.

    Args:
        array: [N, ...]. uint8 [N, H, W] are grey images and read as [H, W, 1].
        name: What the array is called in messages, for example `x_train`.
        kind: `table` for rows of numbers.
        names: Of the values along the last axis.
    """

    def __init__(self, array: Array, name: str, *, kind: ColumnKind = "array", names: Sequence[str] = ()) -> None:
        self.array = array[..., None] if array.dtype == np.uint8 and array.ndim == 3 else array
        self.name = name
        self.kind: ColumnKind = kind
        self.names = tuple(names)

    @property
    def arrays(self) -> tuple[Array, ...]:
        return (self.array,)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Array:
        return np.asarray(self.array[index])

    def where(self, index: int) -> str:
        return f"{self.name}[{index}]"

    def of_columns(self, names: Sequence[str]) -> ArrayColumn:
        """Some of the values along the last axis, in the order of their names."""
        places = [self.names.index(name) for name in names]
        return ArrayColumn(self.array[..., places], self.name, kind=self.kind, names=names)


class RowColumn(ArrayColumn):
    """Rows of a table in a file, named by their lines.

    Args:
        array: [N, columns].
        file: The table's.
        lines: The line of each row, counted from 1.
        names: Of the columns.
    """

    def __init__(self, array: Array, file: str, lines: Sequence[int], names: Sequence[str]) -> None:
        super().__init__(array, file, kind="table", names=names)
        self._lines = lines

    def where(self, index: int) -> str:
        return f"{self.name}, line {self._lines[index]}"


class SequenceColumn:
    """Entries of anything that has a length and takes an integer index.

    The sequence is someone else's code: it is read by one thread at a time, and what it raises is a broken example.

    Args:
        entries: N of them, each something numpy makes a numeric array of. uint8 [H, W] are grey images and read as
            [H, W, 1].
        name: What the sequence is called in messages.
    """

    kind: ColumnKind = "array"
    names: tuple[str, ...] = ()

    def __init__(self, entries: Sequence[Any], name: str) -> None:
        self._entries = entries
        self.name = name
        self._lock = threading.Lock()

    @property
    def arrays(self) -> tuple[Array, ...] | None:
        """Lists and tuples lie in memory; any other sequence is asked for its entries."""
        if not isinstance(self._entries, list | tuple):
            return None
        try:
            return tuple(self[index] for index in range(len(self)))
        except CorruptExampleError:
            return None

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Array:
        try:
            with self._lock:
                entry = np.asarray(self._entries[index])
        except Exception as error:
            raise CorruptExampleError(self.where(index), f"{type(error).__name__}: {error}") from error
        if entry.dtype.kind not in "buif":
            raise CorruptExampleError(self.where(index), f"it is not an array of numbers but {entry.dtype}")
        return entry[..., None] if entry.dtype == np.uint8 and entry.ndim == 2 else entry

    def where(self, index: int) -> str:
        return f"{self.name}[{index}]"


class WindowColumn:
    """Windows of time series.

    Args:
        series: [steps, ...] each.
        starts: Of each window the series and its first step there, int64 [N, 2].
        length: Steps of a window.
        name: What the series are called in messages.
        names: Of the values along the last axis.
    """

    kind: ColumnKind = "window"

    def __init__(
        self, series: Sequence[Array], starts: NDArray[np.int64], length: int, name: str, names: Sequence[str] = ()
    ) -> None:
        self._series = series
        self._starts = starts
        self._length = length
        self._name = name
        self.names = tuple(names)

    @property
    def arrays(self) -> tuple[Array, ...]:
        return (self._starts, *self._series)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> Array:
        series, start = self._starts[index].tolist()
        return np.asarray(self._series[series][start : start + self._length])

    def where(self, index: int) -> str:
        series, start = self._starts[index].tolist()
        place = f"[{series}]" if len(self._series) > 1 else ""
        return f"{self._name}{place}[{start}:{start + self._length}]"
