"""Time series cut into windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.columns import ArrayColumn, SequenceColumn, WindowColumn
from pipeline.data.examples import Column
from pipeline.errors import InputError
from pipeline.recipe import Window
from pipeline.tensors import Array


@dataclass(frozen=True, eq=False)
class Windows:
    """A split's examples after cutting.

    Attributes:
        inputs: Windows [length, ...] by name.
        targets: By name, one entry a window.
        groups: The series that each window was cut out of, where there are several.
        spans: First step and the step after the last one of each window and its target, where there is one series.
    """

    inputs: dict[str, Column]
    targets: dict[str, Any]
    groups: NDArray[np.int64] | None
    spans: NDArray[np.int64] | None


def windowed(inputs: Mapping[str, Column], targets: Mapping[str, Any], window: Window, split: str) -> Windows:
    """Cut series into windows.

    An array [steps, features] (or [steps]) is one series; one of more axes, or a sequence of arrays, is a series an
    entry. Targets are one a step, of which the one `horizon` steps after a window's end is taken, or, of several
    series, one a series.

    Args:
        inputs: By name, all of the same steps.
        targets: By name.
        window: The recipe's section.
        split: For messages.

    Raises:
        InputError: what is stored are no series, or they are shorter than a window.
    """
    series = {name: _series(name, column) for name, column in inputs.items()}
    first = next(iter(series))
    several = _is_several(inputs[first])
    lengths = [len(one) for one in series[first]]
    for name, others in series.items():
        if [len(one) for one in others] != lengths:
            raise InputError(f"data.window: the series '{first}' and '{name}' of the {split} split differ in length.")
    reach = window.length + window.horizon
    starts = np.array(
        [(place, start) for place, steps in enumerate(lengths) for start in range(0, steps - reach + 1, window.stride)],
        np.int64,
    ).reshape(-1, 2)
    if not len(starts):
        raise InputError(
            f"data.window: no series of the {split} split is as long as a window of {window.length} steps"
            f"{f' and its horizon of {window.horizon}' if window.horizon else ''}; the longest has {max(lengths)}."
        )
    cut: dict[str, Column] = {
        name: WindowColumn(series[name], starts, window.length, _name(column), column.names)
        for name, column in inputs.items()
    }
    ends = starts + np.array([0, reach - 1])
    of_windows = {name: _targets(name, stored, lengths, starts, ends, several) for name, stored in targets.items()}
    if several:
        return Windows(cut, of_windows, starts[:, 0], None)
    return Windows(cut, of_windows, None, np.stack([starts[:, 1], ends[:, 1] + 1], axis=1))


def _name(column: Column) -> str:
    return str(getattr(column, "name", "series"))


def _is_several(column: Column) -> bool:
    return isinstance(column, SequenceColumn) or (isinstance(column, ArrayColumn) and column.array.ndim > 2)


def _series(name: str, column: Column) -> list[Array]:
    if isinstance(column, ArrayColumn):
        return list(column.array) if column.array.ndim > 2 else [column.array]
    if not isinstance(column, SequenceColumn):
        raise InputError(f"data.window cuts time series, and the input '{name}' is of the kind {column.kind}.")
    read = [column[index] for index in range(len(column))]
    odd = next((index for index, one in enumerate(read) if not one.ndim or one.shape[1:] != read[0].shape[1:]), None)
    if odd is not None:
        raise InputError(
            f"data.window: {column.where(odd)} has the shape {list(read[odd].shape)} and the first series "
            f"{list(read[0].shape)}; series are [steps, features] with the same features."
        )
    return read


def _targets(
    name: str, stored: Any, lengths: list[int], starts: NDArray[np.int64], ends: NDArray[np.int64], several: bool
) -> Any:
    values = stored.array if isinstance(stored, ArrayColumn) else stored
    if not several:
        return np.asarray(values)[ends[:, 1]]
    if isinstance(values, np.ndarray):
        if values.ndim > 1 and values.shape[1] == lengths[0] and len(set(lengths)) == 1 and values.shape[1] > 1:
            return values[ends[:, 0], ends[:, 1]]
        return values[starts[:, 0]]
    entries = [np.asarray(values[index]) for index in range(len(values))]
    if all(entry.ndim and len(entry) == length for entry, length in zip(entries, lengths, strict=True)):
        return np.stack([entries[series][end] for series, end in ends.tolist()])
    return np.stack([entries[series] for series in starts[:, 0].tolist()])
