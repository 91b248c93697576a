"""What every reader of annotations gives: images, and the boxes in each as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.boxes import ORDINARY


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
