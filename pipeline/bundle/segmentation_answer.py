"""The contract of a segmenter: the class of each pixel of an app's photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.bundle.literals import Literals, number
from pipeline.bundle.located_answer import LocatedAnswer, Read
from pipeline.placement import Placement
from pipeline.tasks.segmentation import Segmentation
from pipeline.tensors import Array, Tensors

OUTSIDE = 255
"""Of a pixel of the photo that the model did not see."""


@dataclass(frozen=True, kw_only=True)
class SegmentationAnswer(LocatedAnswer):
    """`Contract.segments`."""

    kind = "mask"
    template = "Segments"
    test = "SegmentsTest"
    task: Segmentation

    @property
    def sources(self) -> tuple[str, ...]:
        return "Segments", "Segmenter", "Placement", "Outputs"

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.task.output.name,)

    @property
    def usage(self) -> tuple[str, str]:
        return "Segments", "found = Contract.segments(outputs, height, width)"

    def values(self, literals: Literals, read: Read) -> dict[str, object]:
        task = self.task
        rows, columns = task.output.shape[1:3]
        channels = 1 if task.numbers else task.output.shape[3]
        reader = literals.new("Segmenter", rows, columns, channels, task.numbers, number(task.limit), *self.size)
        return {"labels": literals.strings(self.labels), "segmenter": reader, "read": read(self.outputs)}

    def vectors(self, outputs: Tensors, placement: Placement) -> dict[str, Array]:
        """uint8 [H, W] of the photo."""
        found = self.task.answer(outputs[self.task.output.name][0], self.size)
        rows, columns = (
            _places(int(side), start, end, count)
            for side, start, end, count in (
                (placement.height, placement.top, placement.bottom, self.size[0]),
                (placement.width, placement.left, placement.right, self.size[1]),
            )
        )
        seen = (rows >= 0)[:, None] & (columns >= 0)
        return {self.kind: np.where(seen, found[rows[:, None], columns], OUTSIDE).astype(np.uint8)}

    def describe(self) -> dict[str, Any]:
        task = self.task
        return {
            "output": task.output.name,
            "output_holds": "class numbers" if task.numbers else "scores, a channel a class",
            "resize": "nearest" if task.numbers else "bilinear with half-pixel centres, in float32, rows first",
            "size": list(self.size),
            "class": "the highest score, of equal ones the lower class"
            if task.output.shape[-1] != 1
            else f"1 above {float(np.float32(task.limit))}, else 0",
            "to_photo": "each pixel of the photo has the class of the pixel of the input that its middle lies in",
            "outside": OUTSIDE,
            "tolerance": {"classes": 0},
        }


def _places(photo: int, start: float, end: float, count: int) -> Array:
    """For each row of the photo the row of the input that its middle lies in; −1 where it is outside."""
    place = np.floor((start + (np.arange(photo) + 0.5) / photo * (end - start)) * count)
    return np.where((place >= 0) & (place < count), place, -1).astype(np.int64)
