"""Targets that lie in images, from what is stored: boxes, masks and points, checked and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import AREA, CLASS, COLUMNS, CROWD, FLAG, IGNORED, NO_CLASS, ORDINARY, X_MAX, Y_MAX
from pipeline.data.columns import ArrayColumn
from pipeline.data.examples import Column
from pipeline.data.labels import MOST_CLASSES, Where, name_classes
from pipeline.data.located_columns import SLACK, BoxColumn, Boxes, MaskColumn
from pipeline.data.sources.source import KnownTarget
from pipeline.errors import InputError
from pipeline.recipe import Target
from pipeline.tensors import Array

_NAMED = 3
"""Boxes that a message names."""
_LAYOUT = "y_min, x_min, y_max, x_max in pixels of the image, class, and optionally flag and area"


@dataclass(frozen=True, eq=False)
class StoredBoxes:
    """A split's boxes before they are checked.

    Attributes:
        entries: One an example, [n, 7] as of :mod:`pipeline.boxes`; the area NaN where the box's own counts.
        sizes: [height, width] of each example's image, NaN where it is not known.
        name: Names a box by its example and its place there.
    """

    entries: Sequence[NDArray[np.floating]]
    sizes: NDArray[np.float64]
    name: Callable[[int, int], str]

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, eq=False)
class StoredMasks:
    """A split's masks, each read when it is needed.

    Attributes:
        read: Gives one, [H, W] class indices; raises `ValueError` or `OSError` where it is broken.
        length: Of them.
    """

    read: Callable[[int], Array]
    length: int
    arrays: tuple[Array, ...] | None = None

    def __len__(self) -> int:
        return self.length


def read_boxes(
    name: str,
    stored: Mapping[str, tuple[Any, Where]],
    section: Target,
    known: KnownTarget | None,
    given: tuple[str, ...] | None,
) -> tuple[KnownTarget, dict[str, Column], tuple[str, ...]]:
    """A target of boxes.

    Args:
        name: Its name.
        stored: Split → :class:`StoredBoxes`, or for each example rows of 5 to 7 numbers; and what names an example.
        section: The recipe's; its `invalid` says what happens to boxes that are none.
        known: What the source knows of the target.
        given: The names in `data.labels`.

    Returns:
        What is known of it now, split → its column, and what should be told, a sentence each.

    Raises:
        InputError: rows that are no boxes, naming the example.
    """
    splits = {split: _stored_boxes(name, y, where) for split, (y, where) in stored.items()}
    classes = {
        split: (_classes(name, boxes), lambda row, boxes=boxes: _named_row(boxes, row))
        for split, boxes in splits.items()
    }
    native = known.class_names if known is not None else ()
    training = classes.get("train", next(iter(classes.values())))[0]
    names = name_classes(classes, given, native or None, int(training.max(initial=0)) + 1)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    columns: dict[str, Column] = {}
    for split, boxes in splits.items():
        checked = _checked(boxes, section.invalid, counts, wrong)
        columns[split] = BoxColumn(checked, stored[split][1])
    total = sum(len(entry) for boxes in splits.values() for entry in boxes.entries)
    notes = _said(name, section.invalid, counts, wrong, total)
    return KnownTarget("boxes", names), columns, notes


def read_mask(
    name: str,
    stored: Mapping[str, tuple[Any, Where]],
    section: Target,
    known: KnownTarget | None,
    given: tuple[str, ...] | None,
) -> tuple[KnownTarget, dict[str, Column], tuple[str, ...]]:
    """A target of masks: as :func:`read_boxes`, of :class:`StoredMasks` or whole numbers [N, H, W].

    Without names the classes are those that the masks of the training examples show.
    """
    splits = {split: _stored_masks(name, y, where, section) for split, (y, where) in stored.items()}
    names = given or (known.class_names if known is not None else ())
    if not names:
        scanned = "train" if "train" in splits else next(iter(splits))
        names = tuple(map(str, range(_most_index(splits[scanned], stored[scanned][1], name) + 1)))
    if len(names) > IGNORED:
        raise InputError(
            f"The target '{name}' has {len(names)} classes; masks have at most {IGNORED}, as {IGNORED} stands for "
            "pixels that count for nothing."
        )
    columns: dict[str, Column] = {
        split: MaskColumn(masks.read, masks.length, stored[split][1], len(names), masks.arrays)
        for split, masks in splits.items()
    }
    return KnownTarget("mask", names), columns, ()


def read_points(
    name: str,
    stored: Mapping[str, tuple[Any, Where]],
    known: KnownTarget | None,
    given: tuple[str, ...] | None,
) -> tuple[KnownTarget, dict[str, Column], tuple[str, ...]]:
    """A target of points: as :func:`read_boxes`, of numbers [N, K, 3] or [N, K, 2]: y, x in pixels of the image, and
    0 (not there), 1 (hidden) or 2 (visible; without it all are, but those of NaN)."""
    columns: dict[str, Column] = {}
    for split, (y, where) in stored.items():
        try:
            points = np.asarray(y.array if isinstance(y, ArrayColumn) else y, np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"The target '{name}' of {where(0)} and the others are no points: {error}.") from error
        if points.ndim != 3 or points.shape[2] not in (2, 3):
            raise InputError(
                f"The target '{name}' of the kind points needs [examples, points, 3], y, x and visibility; it has the "
                f"shape {list(points.shape)}."
            )
        if points.shape[2] == 2:
            there = np.where(np.isfinite(points).all(axis=2, keepdims=True), 2.0, 0.0)
            points = np.concatenate([points, there], axis=2)
        points = np.where(points[..., 2:] == 0, 0, points).astype(np.float32)
        right = np.isfinite(points).all(axis=2) & np.isin(points[..., 2], (0, 1, 2))
        wrong = np.asarray(~right.all(axis=1))
        if wrong.any():
            raise InputError(
                f"The target '{name}' of {where(int(np.argmax(wrong)))} has a point that is not y, x and a visibility "
                "of 0, 1 or 2."
            )
        columns[split] = ArrayColumn(points, f"{name}_{split}")
    count = {column[0].shape[0]: split for split, column in columns.items()}
    if len(count) > 1:
        raise InputError(f"The target '{name}' has {' or '.join(map(str, count))} points; every example needs as many.")
    names = given or (known.class_names if known is not None else ()) or tuple(map(str, range(next(iter(count)))))
    if len(names) != next(iter(count)):
        raise InputError(f"data.labels names {len(names)} points, and the target '{name}' has {next(iter(count))}.")
    return KnownTarget("points", names), columns, ()


def _stored_boxes(name: str, y: Any, where: Where) -> StoredBoxes:
    if isinstance(y, StoredBoxes):
        return y
    y = y.array if isinstance(y, ArrayColumn) else y
    entries = []
    for index in range(len(y)):
        try:
            rows = np.asarray(y[index], np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"The target '{name}' of {where(index)} are no boxes: {error}.") from error
        if rows.shape in ((0,), (1, 0)):
            rows = np.zeros((0, COLUMNS))
        if rows.ndim != 2 or not 5 <= rows.shape[1] <= COLUMNS:
            raise InputError(
                f"The target '{name}' of {where(index)} has the shape {list(rows.shape)}; boxes are rows of 5 to 7 "
                f"numbers: {_LAYOUT}."
            )
        rows = rows[rows[:, CLASS] != NO_CLASS]
        whole = np.full((len(rows), COLUMNS), np.nan)
        whole[:, FLAG] = ORDINARY
        whole[:, : rows.shape[1]] = rows
        entries.append(whole)
    sizes = np.full((len(entries), 2), np.nan)
    return StoredBoxes(entries, sizes, lambda example, row: f"{where(example)}, box {row + 1}")


def _named_row(boxes: StoredBoxes, row: int) -> str:
    """The name of a box by its place among all of a split's."""
    ends = np.cumsum([len(entry) for entry in boxes.entries])
    example = int(np.searchsorted(ends, row, side="right"))
    return boxes.name(example, row - int(ends[example]) + len(boxes.entries[example]))


def _classes(name: str, boxes: StoredBoxes) -> NDArray[np.int64]:
    """Of all boxes of a split, int64 [boxes]."""
    rows = np.concatenate([np.zeros((0, COLUMNS)), *boxes.entries])
    classes, flags = rows[:, CLASS], rows[:, FLAG]
    wrong = np.asarray((classes < 0) | (classes >= MOST_CLASSES) | (classes != np.floor(classes)))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InputError(
            f"{_named_row(boxes, first)} has the class {classes[first]:g}; a class is an index, a whole number counted "
            f"from 0. The rows of the target '{name}' are {_LAYOUT}."
        )
    odd = ~np.isin(flags, range(ORDINARY, CROWD + 1))
    if odd.any():
        first = int(np.argmax(odd))
        raise InputError(
            f"{_named_row(boxes, first)} has the flag {flags[first]:g}; flags are 0, 1 (difficult) and 2 (crowd)."
        )
    return classes.astype(np.int64)


def _checked(boxes: StoredBoxes, invalid: str, counts: Counter[str], wrong: list[str]) -> list[Boxes]:
    """The boxes that lie in their images; what is wrong with others is counted, and the first of them named."""
    lengths = [len(entry) for entry in boxes.entries]
    rows = np.concatenate([np.zeros((0, COLUMNS)), *boxes.entries]).astype(np.float64)
    size = np.repeat(boxes.sizes, lengths, axis=0)
    size = np.where(np.isnan(size), np.inf, size)
    low, high = rows[:, :Y_MAX], rows[:, Y_MAX : X_MAX + 1]
    unreal = np.any(~np.isfinite(rows[:, :CLASS]), axis=1)
    turned = np.any(high < low, axis=1)
    if invalid == "clip":
        low, high = np.minimum(low, high), np.maximum(low, high)
    outside = np.any((low < -SLACK) | (high > size + SLACK), axis=1)
    low, high = np.clip(low, 0, size), np.clip(high, 0, size)
    empty = np.any(high <= low, axis=1)
    kinds = {"without a number": unreal, "reversed": turned, "outside of the image": outside}
    for index in np.flatnonzero(unreal | turned | outside | empty).tolist():
        kind = next((kind for kind, which in kinds.items() if which[index]), "empty")
        counts[kind] += 1
        if len(wrong) < _NAMED:
            y_min, x_min, y_max, x_max = rows[index, :CLASS]
            height, width = size[index]
            of = f" in an image of {height:g} x {width:g}" if np.isfinite(height) else ""
            wrong.append(f"{_named_row(boxes, index)} ({kind}: y {y_min:g} to {y_max:g}, x {x_min:g} to {x_max:g}{of})")
    dropped = unreal | empty | (outside & (invalid != "clip")) | (turned & (invalid != "clip"))
    sides = high - low
    rows[:, :Y_MAX], rows[:, Y_MAX : X_MAX + 1] = low, high
    rows[:, AREA] = np.where(np.isfinite(rows[:, AREA]), rows[:, AREA], sides[:, 0] * sides[:, 1])
    ends = np.cumsum(lengths)[:-1]
    pairs = zip(np.split(rows, ends), np.split(dropped, ends), strict=True) if lengths else ()
    return [part[~out].astype(np.float32) for part, out in pairs]


def _said(name: str, invalid: str, counts: Counter[str], wrong: list[str], total: int) -> tuple[str, ...]:
    """
    Raises:
        InputError: some boxes are none, and are to be refused.
    """
    bad = counts.total()
    if not bad:
        return ()
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    first = f"{'; '.join(wrong)}{'; …' if bad > len(wrong) else ''}"
    if invalid == "fail":
        raise InputError(
            f"{bad:,} of the {total:,} boxes do not lie in their images: {kinds}. {first}. Correct them, leave them "
            f"out with `--set data.targets.{name}.invalid=skip`, or have corners swapped and what is outside cut off "
            "with invalid=clip."
        )
    done = "left out" if invalid == "skip" else "set right where that was possible, and else left out"
    return (f"{bad:,} of the {total:,} boxes were {done}: {kinds}. {first}.",)


def _stored_masks(name: str, y: Any, where: Where, section: Target) -> StoredMasks:
    if isinstance(y, StoredMasks):
        return y
    y = y.array if isinstance(y, ArrayColumn) else y
    ignore = section.ignore
    if ignore is not None and not isinstance(ignore, int):
        raise InputError(f"data.targets.{name}.ignore is a colour, and the masks are indices: give an index.")

    def read(index: int) -> Array:
        mask = np.asarray(y[index])
        mask = mask[..., 0] if mask.ndim == 3 and mask.shape[2] == 1 else mask
        if mask.ndim != 2 or mask.dtype.kind not in "bui":
            raise ValueError(f"its mask is {mask.dtype} {list(mask.shape)}, not whole numbers [height, width]")
        return as_indices(mask, ignore)

    return StoredMasks(read, len(y), (y,) if isinstance(y, np.ndarray) else None)


def as_indices(mask: Array, ignore: int | None) -> Array:
    """A mask with :data:`~pipeline.boxes.IGNORED` where it has `ignore`, int32.

    Raises:
        ValueError: it has negative numbers, or `IGNORED` itself means something that nobody said.
    """
    mask = mask.astype(np.int32)
    if mask.size and mask.min() < 0 and ignore is None:
        raise ValueError(f"its mask has the index {mask.min()}")
    if ignore is None and (mask == IGNORED).any():
        raise ValueError(
            f"its mask has the index {IGNORED}, which is no class. If such pixels count for nothing, as is the custom, "
            f"say so in the target: ignore: {IGNORED}"
        )
    if ignore is not None and ignore != IGNORED and (mask == IGNORED).any():
        raise ValueError(
            f"its mask has the index {IGNORED}, and the one that counts for nothing is said to be {ignore}"
        )
    return mask if ignore is None else np.where(mask == ignore, IGNORED, mask)


def _most_index(masks: StoredMasks, where: Where, name: str) -> int:
    """The largest class index of all masks."""
    most = 0
    for index in range(masks.length):
        try:
            mask = masks.read(index)
        except (ValueError, OSError) as error:
            raise InputError(f"The target '{name}' of {where(index)} cannot be read: {error}.") from error
        real = mask[mask != IGNORED]
        most = max(most, int(real.max(initial=0)))
    return most
