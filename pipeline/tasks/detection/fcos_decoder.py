"""FCOS: at each point of the levels the distances to a box's four sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import CLASS, CROWD, FLAG, X_MAX
from pipeline.tasks.detection.anchors import Maps, Strides, grid_anchors, read_maps
from pipeline.tasks.detection.box_coding import sigmoid32
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import MAYBE, NOT, SURELY, Decoder, Roles, known, sides
from pipeline.tasks.detection.value_checks import refuse_probabilities
from pipeline.tasks.task import LossName
from pipeline.tensors import OPEN, Tensors

_REACH = 1.5
"""Strides from an object's centre within which points answer for it."""
_LARGEST = 8
"""Strides that a distance may have on a level, the last one aside (64 at stride 8)."""


@dataclass(frozen=True, kw_only=True)
class FcosDecoder(Decoder):
    """Distances [B, N, 4] from N points to a box's sides, scores [B, N, C], and [B, N, 1] of how near a point is to the
    middle, or none. A class's score is then √(score · centerness). Each may be given level by level, as lists.

    Z. Tian et al., FCOS, https://arxiv.org/abs/1904.01355.
    """

    name = "fcos"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "boxes": ("box", "regress", "reg", "ltrb", "dist"),
        "scores": ("score", "cls", "class", "logit"),
        "centerness": ("center", "centre", "ctr"),
    }
    optional = ("centerness",)
    reads = "boxes [batch, points, 4], scores [batch, points, classes] and centerness [batch, points, 1]"

    strides: Strides = (8, 16, 32, 64, 128)
    order: Literal["ltrb", "tlbr"] = "ltrb"
    """Of a box's distances: left first, or top."""
    units: Literal["strides", "pixels", "shares"] = "strides"
    """Of distances."""
    activation: Literal["none", "sigmoid"] = "none"
    """What is still to be done to scores and centerness; by default a sigmoid where the model ends in none."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        shapes = {role: sides(specs[0]) for role, specs in outputs.items()}
        boxes, scores = shapes["boxes"], shapes["scores"]
        if len(boxes) != 2 or len(scores) != 2 or boxes[0] != scores[0] or boxes[1] != 4:
            return NOT
        if "centerness" in shapes and shapes["centerness"] not in ((boxes[0], 1), (boxes[0],)):
            return NOT
        return SURELY if not classes or scores[1] == classes else MAYBE

    @property
    def classes(self) -> int:
        return self._spec("scores").shape[-1]

    @cached_property
    def point_squares(self) -> NDArray[np.float32]:
        """A square of one stride around each point, [N, 4]: centre y, centre x, height, width, shares of the input."""
        return grid_anchors(self.input_size, self.strides, (1.0,), (1.0,))

    @property
    def point_maps(self) -> Maps:
        """What they are made of."""
        made = read_maps({"strides": self.strides, "scales": (1.0,), "ratios": (1.0,)}, self.input_size)
        assert made is not None, "a rule has maps"
        return made

    @property
    def _points(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points (y, x) as shares of the input, [N, 2], and a stride's shares of its height and width, [N, 2]."""
        return self.point_squares[:, :2], self.point_squares[:, 2:]

    def check(self) -> None:
        counts = {}
        for role, width in (("boxes", 4), ("scores", self.classes), ("centerness", 1)):
            shapes = [spec.shape[1:] for spec in self.outputs.get(role, ())]
            if shapes and all(known(*shape) for shape in shapes):
                counts[role] = sum(int(np.prod(shape)) for shape in shapes) / max(width, 1)
        if counts and set(counts.values()) != {len(self._points[0])}:
            given = ", ".join(f"{count:g} {role}" for role, count in counts.items())
            raise self._refuse(
                f"the model gives {given} for the {len(self._points[0])} points of the strides "
                f"{', '.join(map(str, self.strides))}: `strides` must be those that it was trained with"
            )

    def decode(self, outputs: Tensors) -> Candidates:
        points, units = self._points
        distances = self._rows(outputs, "boxes", 4)
        if self.order == "ltrb":
            distances = distances[..., (1, 0, 3, 2)]
        shares = distances * self._factor(units)
        boxes = np.concatenate([points - shares[..., :2], points + shares[..., 2:]], axis=-1)
        scores = self._probabilities(outputs, "scores", self.classes)
        if "centerness" in self.outputs:
            scores = np.sqrt(scores * self._probabilities(outputs, "centerness", 1))
        return Candidates(np.asarray(boxes, np.float32), scores)

    def _factor(self, strides: NDArray[np.float32]) -> NDArray[np.float32]:
        """From distances to shares of the input, [N or 1, 4]."""
        if self.units == "strides":
            return np.concatenate([strides, strides], axis=-1)
        height, width = self.input_size if self.units == "pixels" else (1, 1)
        return np.array([[1 / height, 1 / width] * 2], np.float32)

    def _probabilities(self, outputs: Tensors, role: str, width: int) -> NDArray[np.float32]:
        values = self._rows(outputs, role, width)
        if self.activation == "none":
            return np.maximum(values, 0)
        refuse_probabilities(values, self._spec(role).name, "sigmoid")
        return sigmoid32(values)

    @property
    def losses(self) -> dict[str, LossName]:
        if any(len(specs) > 1 for specs in self.outputs.values()):
            return {}
        found: dict[str, LossName] = {self._spec("boxes").name: "smooth_l1", self._spec("scores").name: "focal"}
        return found | ({self._spec("centerness").name: "focal"} if "centerness" in self.outputs else {})

    def training_targets(self, boxes: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Boxes [B, N, 5]: distances, and 1 where they count; scores [B, N, C]; centerness [B, N, 1], −1 where it does
        not count. Points near an object's centre answer for it, on the level that its distances fit, of several
        objects for the smallest."""
        points, strides = self._points
        batch, count = len(boxes), len(points)
        places, scores = np.zeros((batch, count, 5), np.float32), np.zeros((batch, count, self.classes), np.float32)
        middle = np.full((batch, count, 1), -1, np.float32)
        level_of = strides[:, 0]
        factor = self._factor(strides)
        for index, rows in enumerate(boxes):
            there = rows[(rows[:, CLASS] >= 0) & (rows[:, CLASS] < self.classes) & (rows[:, FLAG] != CROWD)]
            if not len(there):
                continue
            corners = there[:, : X_MAX + 1].astype(np.float32)
            apart = np.concatenate([points - corners[:, None, :2], corners[:, None, 2:] - points], axis=-1)  # [M, N, 4]
            centres = (corners[:, :2] + corners[:, 2:]) / 2
            near = (np.abs(points - centres[:, None]) <= _REACH * strides).all(axis=-1)
            farthest = (apart / np.concatenate([strides, strides], axis=-1)).max(axis=-1)
            fits = (farthest <= _LARGEST) | (level_of == level_of.max())
            fits &= (farthest > _LARGEST / 2) | (level_of == level_of.min())
            fitting = (apart.min(axis=-1) > 0) & near & fits
            sizes = np.where(fitting, np.prod(corners[:, 2:] - corners[:, :2], axis=-1)[:, None], np.inf)
            owner = sizes.argmin(axis=0)
            positive = np.isfinite(sizes[owner, np.arange(count)])
            own = apart[owner, np.arange(count)]
            places[index, positive, :4] = (own / factor)[positive]
            places[index, positive, 4] = 1
            scores[index, np.flatnonzero(positive), there[owner[positive], CLASS].astype(np.int64)] = 1
            top, left, bottom, right = (own[positive, side] for side in range(4))
            nearness = np.minimum(top, bottom) / np.maximum(top, bottom)
            nearness = nearness * (np.minimum(left, right) / np.maximum(left, right))
            middle[index, positive, 0] = np.sqrt(nearness)
        if self.order == "ltrb":
            places = places[..., (1, 0, 3, 2, 4)]
        found = {"boxes": places, "scores": scores} | ({"centerness": middle} if "centerness" in self.outputs else {})
        shapes = {role: self._spec(role).shape[1:-1] for role in found}
        return {
            self._spec(role).name: values.reshape(batch, *shapes[role], values.shape[-1])
            if OPEN not in shapes[role]
            else values
            for role, values in found.items()
        }
