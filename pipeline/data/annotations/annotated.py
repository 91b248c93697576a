"""What every reader of annotations gives: images, and the boxes in each as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.boxes import ORDINARY


class Polygon(tuple[tuple[float, ...], ...]):
    """The outlines of an object's parts: x, y, x, y, … of each."""

    def __new__(cls, *parts: tuple[float, ...]) -> Polygon:
        return super().__new__(cls, parts)


class RunLengths(NamedTuple):
    """An object's pixels, down the columns: how many are not its own, how many are, and so on (COCO's RLE)."""

    size: tuple[int, int]
    """[height, width]"""
    counts: str | tuple[int, ...]
    """Plain, or packed as pycocotools packs them."""


Outline = Polygon | RunLengths


class Box(NamedTuple):
    """One object, in pixels of the image or in shares of its sides."""

    y_min: float
    x_min: float
    y_max: float
    x_max: float
    label: int | str
    """The class: its name, or its index where the format counts."""
    flag: int = ORDINARY
    area: float = float("nan")
    """In square pixels; NaN: the box's."""
    where: str = ""
    """Within its file: `object 3`."""
    points: tuple[tuple[float, float, float], ...] = ()
    """y, x and visibility (0 not there, 1 hidden, 2 visible) each."""
    outline: Outline | None = None


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """
    Attributes:
        file: The image's name as the annotation has it.
        where: The annotation's own name, for messages.
        boxes: In the order in which they are written.
        size: [height, width] that the annotation states; None: it states none.
    """

    file: str
    where: str
    boxes: Sequence[Box] = field(default_factory=tuple)
    size: tuple[int, int] | None = None
