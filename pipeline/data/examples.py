"""What a split is made of: stored examples, read one at a time and only when asked for.

A split has columns: named inputs and targets, each with one entry an example. Every column can be read from several
threads at once, and reading one entry never reads another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, readable
from pipeline.tensors import Array

Labels = NDArray[np.int64]
"""Class indices, int64 [N]."""

ColumnKind = Literal["image", "audio", "table", "window", "array"]
"""What a column is known to hold; `array`: its type and rank say."""


class CorruptExampleError(InputError):
    """One stored example is broken, the others may be fine; `data.on_corrupt: skip` leaves it out.

    Attributes:
        where: The example, as :meth:`Examples.where` names it.
        reason: What is wrong with it.
    """

    def __init__(self, where: str, reason: str) -> None:
        self.where = readable(where)
        self.reason = readable(reason)
        super().__init__(
            f"{where} cannot be read: {reason}. Mend or remove it, "
            "or leave such examples out with `--set data.on_corrupt=skip`."
        )


class Column(Protocol):
    """One input or target of every example of a split."""

    @property
    def kind(self) -> ColumnKind:
        """What it holds."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the values along the last axis are called; empty where they have no names."""

    @property
    def arrays(self) -> tuple[Array, ...] | None:
        """Arrays in memory, or mapped into it, that all entries are made of; None where entries are read one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Array:
        """One stored entry: an image as uint8 [H, W, C] (of more than 8 bits a pixel, in the type that is stored), a
        waveform as float32 [samples], or a numeric array of any rank.

        Raises:
            CorruptExampleError: it is broken.
        """
        ...

    def where(self, index: int) -> str:
        """The entry's name in messages: a file's path, or `x_test[3]`."""
        ...


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of a split.

    Attributes:
        inputs: By name; at least one, all of the same length.
        targets: By name, of that length too; empty where nothing is known.
        classes: The target whose class indices divide the examples in splits; None: there is none.
        groups: What belongs together by the same number, int64 [N]; None: every example stands alone.
        spans: First step and the step after the last one of each example, int64 [N, 2], where all of them are cut out
            of one time series, in its order.
        strata: What each split gets its share of where there are no classes, by number, int64 [N].
    """

    inputs: Mapping[str, Column]
    targets: Mapping[str, Column] = field(default_factory=dict)
    classes: Labels | None = None
    groups: NDArray[np.int64] | None = None
    spans: NDArray[np.int64] | None = None
    strata: NDArray[np.int64] | None = None

    @property
    def labels(self) -> Labels:
        """Class indices, int64 [N].

        Raises:
            InputError: no target, or several, tell classes.
        """
        if self.classes is None:
            raise InputError("The data has no target of classes: its examples have no labels.")
        return self.classes

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, index: int) -> dict[str, Array]:
        """The stored inputs of one example.

        Raises:
            CorruptExampleError: one of them is broken.
        """
        return {name: column[index] for name, column in self.inputs.items()}

    def where(self, index: int) -> str:
        """The example's name in messages: a file's path, or `x_test[3]`."""
        return self._first.where(index)

    def subset(self, indices: NDArray[np.int64]) -> Examples:
        """Some of the examples, in the order of the indices, int64 [M]."""
        return Examples(
            {name: _Chosen.of(column, indices) for name, column in self.inputs.items()},
            {name: _Chosen.of(column, indices) for name, column in self.targets.items()},
            *(None if part is None else part[indices] for part in (self.classes, self.groups, self.spans, self.strata)),
        )

    @property
    def _first(self) -> Column:
        return next(iter(self.inputs.values()))


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Some entries of a column."""

    column: Column
    indices: NDArray[np.int64]

    @classmethod
    def of(cls, column: Column, indices: NDArray[np.int64]) -> _Chosen:
        if isinstance(column, _Chosen):  # a subset of a subset is one look-up deep
            return cls(column.column, column.indices[indices])
        return cls(column, indices)

    @property
    def kind(self) -> ColumnKind:
        return self.column.kind

    @property
    def names(self) -> tuple[str, ...]:
        return self.column.names

    @property
    def arrays(self) -> tuple[Array, ...] | None:
        of_all = self.column.arrays
        return None if of_all is None else (self.indices, *of_all)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self.column[int(self.indices[index])]

    def where(self, index: int) -> str:
        return self.column.where(int(self.indices[index]))
