"""YOLO exports: boxes and scores side by side in one tensor, or the parts it was made of, or YOLOv5's raw grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.tasks.detection.box_coding import sigmoid32, to_corners
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import MAYBE, NOT, SURELY, Decoder, Roles, known, read
from pipeline.tasks.detection.value_checks import check_probabilities, check_units, refuse_probabilities
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

Format = Literal["xywh", "yxhw", "xyxy", "yxyx"]
"""Of a box's four numbers: centre and size, or two corners."""

COCO_ANCHORS = (
    ((10.0, 13.0), (16.0, 30.0), (33.0, 23.0)),
    ((30.0, 61.0), (62.0, 45.0), (59.0, 119.0)),
    ((116.0, 90.0), (156.0, 198.0), (373.0, 326.0)),
)
"""YOLOv5's, width and height in pixels, by stride (8, 16, 32)."""


@dataclass(frozen=True, kw_only=True)
class _SideBySide(Decoder):
    """One output whose rows or columns are boxes; or several of the same number of boxes, in the order in which their
    values stand side by side."""

    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {"output": ("output", "pred", "identity", "detect")}
    beside: ClassVar[int]
    """Values of a box that are no class's score."""

    layout: Literal["boxes_first", "values_first"] | None = None
    """[B, N, values] or [B, values, N]; by default as the number of classes says, else the fewer are the values."""
    box_format: Format = "xywh"
    units: Literal["shares", "pixels"] = "shares"
    """What the boxes' numbers are in."""
    activation: Literal["none", "sigmoid"] = "none"
    """What is still to be done to scores."""
    model_classes: Annotated[int, Field(ge=1)] | None = None
    """How many classes the model has, where they are not as many as the data's."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        shape = outputs["output"][0].shape[1:]
        if len(shape) == 3 and shape[0] == 1:
            shape = shape[1:]
        if len(shape) != 2:
            return NOT
        if classes and cls.beside + classes in shape:
            return SURELY
        return NOT if OPEN in shape else MAYBE if min(shape) > cls.beside else NOT

    @property
    def _values_first(self) -> bool:
        if self.layout is not None:
            return self.layout == "values_first"
        shapes = [_two(spec) for spec in self.outputs["output"]]
        first, last = (sum(shape[axis] for shape in shapes) for axis in (0, 1))
        if self._wanted and (first == self._wanted) != (last == self._wanted):
            return first == self._wanted
        return first < last if len(shapes) == 1 else shapes[0][1] == shapes[1][1]

    @property
    def _wanted(self) -> int:
        """Values of a box, by what is known of the classes; 0 where nothing is."""
        classes = self.model_classes or self.data_classes
        return self.beside + classes if classes else 0

    @property
    def _values(self) -> int:
        """Side by side, of a box."""
        axis = 0 if self._values_first else 1
        sides = [_two(spec)[axis] for spec in self.outputs["output"]]
        return sum(sides) if known(*sides) else OPEN

    @property
    def classes(self) -> int:
        values = self._values
        return values - self.beside if values != OPEN else OPEN

    def check(self) -> None:
        shapes = [_two(spec) for spec in self.outputs["output"]]
        if any(len(shape) != 2 for shape in shapes):
            raise self._refuse("the output has another shape")
        others = {shape[1 if self._values_first else 0] for shape in shapes}
        if len(others) > 1:
            raise self._refuse("the outputs hold different numbers of boxes")
        if self.classes != OPEN and self.classes < 1:
            raise self._refuse(f"{self._values} values of a box leave none for the classes; see `layout`")
        self._check_values()

    def _check_values(self) -> None:
        if self._values not in (OPEN, self._wanted) and self._wanted:
            raise self._refuse(
                f"of the {self._values} values of a box {self.classes} would be classes, where "
                f"{self._wanted - self.beside} are expected: another `decode` or `layout`, or, where the model has "
                f"more classes than the data, `model_classes: {self.classes}`"
            )

    def _table(self, outputs: Tensors) -> NDArray[np.float32]:
        """[B, N, values]."""
        parts = []
        for spec in self.outputs["output"]:
            values = read(outputs, spec.name).astype(np.float32)
            values = values.reshape(len(values), *values.shape[-2:])
            parts.append(values.transpose(0, 2, 1) if self._values_first else values)
        return np.concatenate(parts, axis=-1)

    def _boxes(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        check_units(values, self.units, self.name, self._spec("output").name)
        ordered = values[..., (1, 0, 3, 2)] if self.box_format in ("xywh", "xyxy") else values
        corners = to_corners(ordered) if self.box_format in ("xywh", "yxhw") else ordered
        if self.units == "shares":
            return np.asarray(corners, np.float32)
        return np.asarray(corners / np.array(self.input_size * 2, np.float32), np.float32)

    def _activated(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.activation == "none":
            check_probabilities(values, self.name, self._spec("output").name)
            return values
        refuse_probabilities(values, self._spec("output").name, "sigmoid")
        return sigmoid32(values)


@dataclass(frozen=True, kw_only=True)
class YoloV8Decoder(_SideBySide):
    """[B, 4 + C, N] or [B, N, 4 + C]: a box and its classes' scores (YOLOv8, v9, v11)."""

    name = "yolo_v8"
    beside = 4
    reads = "one output [batch, 4 + classes, boxes] or [batch, boxes, 4 + classes], or such parts of it"

    def decode(self, outputs: Tensors) -> Candidates:
        table = self._table(outputs)
        return Candidates(self._boxes(table[..., :4]), self._activated(table[..., 4:]))


@dataclass(frozen=True, kw_only=True)
class YoloV5Decoder(_SideBySide):
    """[B, N, 5 + C]: a box, how sure it is an object, and its classes' scores (YOLOv5, v7); a class's score is the
    product. Or the raw grids, one for each level, [B, h, w, a · (5 + C)], [B, h, w, a, 5 + C] or [B, a, h, w, 5 + C].
    """

    name = "yolo_v5"
    beside = 5
    reads = "one output [batch, boxes, 5 + classes], or raw grids [batch, h, w, anchors · (5 + classes)]"

    anchors: tuple[tuple[tuple[float, float], ...], ...] = COCO_ANCHORS
    """Of raw grids, by level from the finest: width and height in pixels."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        shapes = [spec.shape[1:] for spec in outputs["output"]]
        return max(super().fit(outputs, classes), MAYBE if all(map(_is_grid, shapes)) else NOT)

    @property
    def _raw(self) -> bool:
        return all(_is_grid(spec.shape[1:]) for spec in self.outputs["output"])

    @property
    def _values(self) -> int:
        if not self._raw:
            return super()._values
        shape = self._spec("output").shape[1:]
        return shape[-1] if len(shape) == 4 or shape[-1] == OPEN else shape[-1] // len(self.anchors[0])

    def check(self) -> None:
        if not self._raw:
            super().check()
            return
        specs = self.outputs["output"]
        if len(specs) != len(self.anchors):
            raise self._refuse(f"the model has {len(specs)} grids and `anchors` {len(self.anchors)} levels")
        for spec, anchors in zip(self._levels, self.anchors, strict=True):
            shape = spec.shape[1:]
            given = {3: shape[-1] / max(self._values, 1), 4: min(shape[0], shape[2])}[len(shape)]
            if given != len(anchors):
                raise self._refuse(
                    f"'{spec.name}' {show_shape(spec.shape)} has not the {len(anchors)} anchors a cell that `anchors` "
                    "names"
                )
        if self.classes != OPEN and self.classes < 1:
            raise self._refuse(f"{self._values} values of a box leave none for the classes")
        self._check_values()

    @property
    def _levels(self) -> Sequence[TensorSpec]:
        """The finest grid first."""
        return sorted(self.outputs["output"], key=lambda spec: -int(np.prod(spec.shape[1:])))

    def decode(self, outputs: Tensors) -> Candidates:
        if not self._raw:
            table = self._table(outputs)
            scores = self._activated(table[..., 4:])
            return Candidates(self._boxes(table[..., :4]), scores[..., :1] * scores[..., 1:])
        parts = [self._level(read(outputs, spec.name), spec, level) for level, spec in enumerate(self._levels)]
        return Candidates(*(np.concatenate(both, axis=1) for both in zip(*parts, strict=True)))

    def _level(self, values: NDArray[Any], spec: TensorSpec, level: int) -> tuple[NDArray[np.float32], ...]:
        count = len(self.anchors[level])
        if values.ndim == 5 and values.shape[1] == count:
            values = values.transpose(0, 2, 3, 1, 4)
        values = values.reshape(*values.shape[:3], count, -1)
        batch, height, width = values.shape[:3]
        refuse_probabilities(values, spec.name, "sigmoid")
        shares = sigmoid32(values)
        x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
        cells = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[:, :, None]
        two, half = np.float32(2), np.float32(0.5)
        grid, size = np.array([height, width], np.float32), np.array(self.input_size, np.float32)
        anchors = np.array(self.anchors[level], np.float32)[:, ::-1]
        centres = (shares[..., 1::-1] * two - half + cells) / grid
        doubled = shares[..., 3:1:-1] * two
        sizes = doubled * doubled * anchors / size
        boxes = to_corners(np.concatenate([centres, sizes], axis=-1))
        scores = shares[..., 4:5] * shares[..., 5:]
        return np.asarray(boxes, np.float32).reshape(batch, -1, 4), scores.reshape(batch, -1, scores.shape[-1])


def _two(spec: TensorSpec) -> tuple[int, ...]:
    shape = spec.shape[1:]
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _is_grid(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 or (len(shape) == 3 and shape[0] != 1)
