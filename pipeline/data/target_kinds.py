"""What targets are: classes, values, several labels or sequences, told from the numbers that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.data.columns import ArrayColumn, SequenceColumn
from pipeline.data.examples import Column, Labels
from pipeline.data.labels import Where, class_indices, name_classes
from pipeline.data.read_located import StoredBoxes, StoredMasks, read_boxes, read_mask, read_points
from pipeline.data.sources.source import KnownTarget
from pipeline.errors import InputError
from pipeline.recipe import LOCATED, Target, TargetKind
from pipeline.tensors import Array

_MOST_GENERAL: tuple[TargetKind, ...] = ("value", "sequence", "multilabel", "class")


def read_target(
    name: str,
    stored: Mapping[str, tuple[Any, Where]],
    section: Target,
    known: KnownTarget | None,
    given: tuple[str, ...] | None,
) -> tuple[KnownTarget, dict[str, Column], tuple[str, ...]]:
    """One target of every split.

    Args:
        name: Its name.
        stored: Split → what is stored, one entry an example, and what names an example. Columns of files are values.
        section: The recipe's; its `kind` goes before all others.
        known: What the source knows of the target.
        given: The names in `data.labels`.

    Returns:
        What is known of it now, and split → its column: int64 scalars for classes, int64 rows for several labels and
        sequences, numbers as they are stored for values, what lies in images in its pixels. And what should be told, a
        sentence each.

    Raises:
        InputError: it is not of the kind that the recipe or the source says, naming the example.
    """
    told = section.kind or (known.kind if known is not None else None)
    _check_located(name, stored, told)
    _check_options(name, section, told)
    if told == "boxes":
        return read_boxes(name, stored, section, known, given)
    if told == "mask":
        return read_mask(name, stored, section, known, given)
    if told == "points":
        return read_points(name, stored, known, given)
    arrays = {split: _as_stored(y, name, where) for split, (y, where) in stored.items()}
    kind = told or _kind(arrays)
    wheres = {split: where for split, (_, where) in stored.items()}
    if kind == "class":
        return *_classes(name, arrays, wheres, known, given), ()
    if kind == "value":
        return KnownTarget(kind), {split: _values(y, name, wheres[split]) for split, y in arrays.items()}, ()
    rows = {split: _rows(y, name, wheres[split], kind) for split, y in arrays.items()}
    same = kind == "multilabel"
    padded = {split: np.asarray(row) for split, row in rows.items()} if same else _padded(rows, section.padding)
    columns: dict[str, Column] = {split: ArrayColumn(row, f"{name}_{split}") for split, row in padded.items()}
    return KnownTarget(kind), columns, ()


_OPTIONS: Mapping[str, TargetKind] = {
    "invalid": "boxes",
    "min_visible": "boxes",
    "ignore": "mask",
    "colours": "mask",
    "flip_pairs": "points",
    "padding": "sequence",
}
"""What a target's section says of one kind alone."""


def _check_options(name: str, section: Target, kind: TargetKind | None) -> None:
    """See that nothing is asked for which the kind has no use for."""
    for option, of in _OPTIONS.items():
        if kind in LOCATED and kind != of and option in section.model_fields_set:
            raise InputError(
                f"data.targets.{name}.{option} is for the kind {of}, and this target is of {kind}. Remove it."
            )


def _check_located(name: str, stored: Mapping[str, tuple[Any, Where]], kind: TargetKind | None) -> None:
    """See that what a source read as boxes or masks is taken for that."""
    for y, _ in stored.values():
        is_kind = "boxes" if isinstance(y, StoredBoxes) else "mask" if isinstance(y, StoredMasks) else None
        if is_kind is not None and kind not in (None, is_kind):
            raise InputError(
                f"data.targets.{name}.kind is {kind}, and the source has {is_kind}. Set it to {is_kind}, or leave it "
                "out."
            )


def _as_stored(y: Any, name: str, where: Where) -> Array | list[Array] | Column:
    """An array where there is one; rows of different lengths, or a column, where not."""
    if isinstance(y, ArrayColumn):
        y = y.array
    if isinstance(y, np.ndarray):
        array = y
    elif _is_column(y):
        return y  # type: ignore[no-any-return]
    elif not isinstance(y, list | tuple) and len(y) and np.ndim(y[0]) >= 2:
        return SequenceColumn(y, name)  # images and the like, which need not fit the memory
    else:
        rows = [np.asarray(row) for row in y]
        if len({row.shape for row in rows}) > 1:
            if all((row.ndim == 1 and row.dtype.kind in "iu") or row.shape == (0,) for row in rows):
                return [row.astype(np.int64) for row in rows]
            odd = next(index for index, row in enumerate(rows) if row.shape != rows[0].shape)
            raise InputError(
                f"The target '{name}' of {where(odd)} has the shape {list(rows[odd].shape)}, that of {where(0)} "
                f"{list(rows[0].shape)}. Only sequences of whole numbers may differ in length."
            )
        array = np.asarray(y)
    if array.dtype.kind not in "buif":
        raise InputError(
            f"The target '{name}' of {where(0)} and the others must be class indices or other numbers, not "
            f"{array.dtype}."
        )
    return array


def _is_column(y: Any) -> bool:
    return all(hasattr(y, attribute) for attribute in ("kind", "names", "where"))


def _kind(arrays: Mapping[str, Array | list[Array] | Column]) -> TargetKind:
    """The most general of what the splits say: a few rows may look one-hot by chance."""
    found = {_kind_of(y) for y in arrays.values()}
    return next(kind for kind in _MOST_GENERAL if kind in found)


def _kind_of(y: Array | list[Array] | Column) -> TargetKind:
    if isinstance(y, list):
        return "sequence"
    if not isinstance(y, np.ndarray) or y.ndim > 2:
        return "value"
    if y.ndim == 1 or y.shape[1] == 1:
        finite = y[np.isfinite(y)]
        return "class" if (finite == np.floor(finite)).all() else "value"
    if ((y == 0) | (y == 1)).all():
        return "class" if (y.sum(axis=1) == 1).all() else "multilabel"
    return "sequence" if y.dtype.kind in "iu" and y.dtype != np.uint8 else "value"


def _classes(
    name: str,
    arrays: Mapping[str, Array | list[Array] | Column],
    wheres: Mapping[str, Where],
    known: KnownTarget | None,
    given: tuple[str, ...] | None,
) -> tuple[KnownTarget, dict[str, Column]]:
    indices: dict[str, tuple[Labels, Where]] = {}
    shown: dict[str, int] = {}
    for split, y in arrays.items():
        if not isinstance(y, np.ndarray):
            raise InputError(
                f"The target '{name}' must be class indices, one an example, for data.targets.{name}.kind=class."
            )
        labels, shown[split] = class_indices(y, wheres[split], name)
        indices[split] = labels, wheres[split]
    native = known.class_names if known is not None else ()
    names = name_classes(indices, given, native or None, shown.get("train", max(shown.values())))
    columns: dict[str, Column] = {
        split: ArrayColumn(labels, f"{name}_{split}") for split, (labels, _) in indices.items()
    }
    return KnownTarget("class", names), columns


def _values(y: Array | list[Array] | Column, name: str, where: Where) -> Column:
    if isinstance(y, list):
        raise InputError(
            f"The target '{name}' has rows of different lengths, the first of which is that of {where(0)}; values "
            "need one shape."
        )
    return ArrayColumn(y, name) if isinstance(y, np.ndarray) else y


def _rows(y: Array | list[Array] | Column, name: str, where: Where, kind: TargetKind) -> list[Array] | Array:
    what = "0 or 1 for each label" if kind == "multilabel" else "whole numbers, one a step"
    if isinstance(y, np.ndarray) and y.ndim == 2 and kind == "multilabel":
        wrong = ~((y == 0) | (y == 1)).all(axis=1)
    elif isinstance(y, np.ndarray) and y.ndim == 2:
        wrong = ~(np.isfinite(y) & (y == np.floor(y))).all(axis=1)
    elif isinstance(y, list) and kind == "sequence":
        return y
    else:
        shape = list(y.shape) if isinstance(y, np.ndarray) else "rows of different lengths"
        raise InputError(f"The target '{name}' of the kind {kind} needs {what}, [examples, labels]; it has {shape}.")
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(f"The target '{name}' of {where(first)} is not {what}.")
    return y.astype(np.int64)


def _padded(rows: Mapping[str, Sequence[Array] | Array], padding: int) -> dict[str, Array]:
    """Rows of one length, that of the longest of all splits."""
    width = max((len(row) for split in rows.values() for row in split), default=0)
    return {
        split: np.stack([np.pad(row, (0, width - len(row)), constant_values=padding) for row in sequences])
        for split, sequences in rows.items()
    }
