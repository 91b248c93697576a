"""Columns of what lies in images: boxes, and masks that are read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import CLASS, COLUMNS, IGNORED
from pipeline.data.examples import ColumnKind, CorruptExampleError
from pipeline.tensors import Array

SLACK = 1.0
"""Pixels that a box or point may lie outside of its image: so much is rounding, and cut off."""

Boxes = NDArray[np.float32]
"""Of one image, [n, 7], as :mod:`pipeline.boxes` says; in pixels of the upright image."""


class BoxColumn:
    """Boxes of images.

    Args:
        entries: One an example; without any, [0, 7].
        where: Names an example in messages.
    """

    kind: ColumnKind = "array"
    names: tuple[str, ...] = ()

    def __init__(self, entries: Sequence[Boxes], where: Callable[[int], str]) -> None:
        self._entries = entries
        self.where = where

    @property
    def arrays(self) -> tuple[Array, ...]:
        counts = np.array([len(entry) for entry in self._entries], np.int64)
        return counts, np.concatenate([np.zeros((0, COLUMNS), np.float32), *self._entries])

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Boxes:
        return self._entries[index]


@dataclass(frozen=True, eq=False)
class MaskColumn:
    """Masks of images, [H, W] class indices, checked when they are read.

    Attributes:
        read: Gives a mask; raises `ValueError` or `OSError` where it is broken.
        length: Of them.
        where: Names a mask in messages.
        classes: The number of classes.
        arrays: What all masks are made of, where it lies in memory.
    """

    read: Callable[[int], Array]
    length: int
    where: Callable[[int], str]
    classes: int
    arrays: tuple[Array, ...] | None = None
    kind: ColumnKind = "array"
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Array:
        try:
            mask = self.read(index)
        except (ValueError, OSError) as error:
            raise CorruptExampleError(self.where(index), str(error)) from error
        beyond = (mask >= self.classes) & (mask != IGNORED)
        if beyond.any():
            found = int(mask[beyond].max())
            raise CorruptExampleError(
                self.where(index),
                f"its mask has the index {found}, and there are {self.classes} classes, 0 to {self.classes - 1}. If "
                f"such pixels count for nothing, say so in the target: ignore: {found}",
            )
        return mask


def boxes_of(column: object) -> list[Boxes] | None:
    """All boxes of a column, also of some of its entries; None: it holds none."""
    inner = getattr(column, "column", column)
    if not isinstance(inner, BoxColumn):
        return None
    return [column[index] for index in range(len(column))]  # type: ignore[index,arg-type]


def classes_there(boxes: Sequence[Boxes]) -> set[int]:
    """The classes that some box has."""
    return {int(one) for entry in boxes for one in entry[:, CLASS].tolist()}


def rarest_classes(boxes: Sequence[Boxes]) -> NDArray[np.int64]:
    """For each image the class of its boxes that the fewest images have, int64 [N]; the number of classes where it has
    no box. Splits that have their share of each have some of every class, as far as there are enough."""
    present = [np.unique(entry[:, CLASS]).astype(np.int64) for entry in boxes]
    images = np.bincount(np.concatenate([np.zeros(0, np.int64), *present]))
    return np.array([one[np.argmin(images[one])] if len(one) else len(images) for one in present], np.int64)
