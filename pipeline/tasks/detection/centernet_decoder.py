"""CenterNet: a heat map whose peaks are the objects' centres, and what size they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import CLASS, CROWD, FLAG, X_MAX
from pipeline.tasks.detection.box_coding import sigmoid32, to_centres, to_corners
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import MAYBE, NOT, SURELY, Decoder, Roles, known
from pipeline.tasks.detection.value_checks import refuse_probabilities
from pipeline.tasks.task import LossName
from pipeline.tensors import Tensors

_MIN_OVERLAP = 0.3
"""That a box which is off by the radius keeps with the object. CornerNet names 0.7, but divides by 2 where the root of
the equation is divided by 2·a, which makes its Gaussians larger; solved rightly, they are about as large at 0.3."""


@dataclass(frozen=True, kw_only=True)
class CenterNetDecoder(Decoder):
    """Heat map [B, h, w, C], sizes [B, h, w, 2], and offsets of the centre within its cell [B, h, w, 2] or none.

    X. Zhou, D. Wang, P. Krähenbühl, Objects as points, https://arxiv.org/abs/1904.07850. A peak is a value that none
    of its eight neighbours exceeds. Of the equal neighbours that int8 makes of one peak, it is the one whose
    surroundings are the highest, where they tell; of what is left, suppression keeps one.
    """

    name = "centernet"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "heatmap": ("heat", "hm", "center", "centre", "score"),
        "size": ("size", "wh", "scale", "dim"),
        "offset": ("offset", "reg", "off", "displacement"),
    }
    optional = ("offset",)
    reads = "heatmap [batch, h, w, classes], size [batch, h, w, 2] and offset [batch, h, w, 2]"

    units: Literal["shares", "cells", "pixels"] = "shares"
    """Of sizes: of the input's sides, the map's cells, or the input's pixels."""
    order: Literal["yx", "xy"] = "yx"
    """Of sizes and offsets: height and y first, or width and x."""
    activation: Literal["none", "sigmoid"] = "none"
    """What is still to be done to the heat map; by default a sigmoid where the model ends in none."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        heat, size = outputs["heatmap"][0].shape, outputs["size"][0].shape
        maps = [specs[0].shape for specs in outputs.values()]
        if any(len(shape) != 4 or shape[1:3] != heat[1:3] for shape in maps) or size[-1] != 2:
            return NOT
        if "offset" in outputs and outputs["offset"][0].shape[-1] != 2:
            return NOT
        return SURELY if not classes or heat[-1] == classes else MAYBE

    @property
    def classes(self) -> int:
        return self._spec("heatmap").shape[-1]

    def check(self) -> None:
        heat = self._spec("heatmap").shape
        for role, specs in self.outputs.items():
            shape = specs[0].shape
            if len(specs) != 1 or len(shape) != 4 or (role != "heatmap" and shape[-1] != 2):
                raise self._refuse(f"'{specs[0].name}' has another shape")
            if known(*shape[1:3], *heat[1:3]) and shape[1:3] != heat[1:3]:
                raise self._refuse("the maps are of different sizes")

    def decode(self, outputs: Tensors) -> Candidates:
        heat = self._read(outputs, "heatmap").astype(np.float32)
        if self.activation == "sigmoid":
            refuse_probabilities(heat, self._spec("heatmap").name, "sigmoid")
            heat = sigmoid32(heat)
        batch, height, width, classes = heat.shape
        y, x = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
        cells = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        grid = np.array([height, width], np.float32)
        sizes = self._pairs(outputs, "size")
        if self.units != "shares":
            sizes = sizes / (grid if self.units == "cells" else np.array(self.input_size, np.float32))
        middle = np.full_like(sizes, 0.5)
        centres = (cells + (self._pairs(outputs, "offset") if "offset" in self.outputs else middle)) / grid
        boxes = to_corners(np.concatenate([centres, np.maximum(sizes, 0)], axis=-1))
        scores = np.where(_peaks(heat), heat, np.float32(-1))
        return Candidates(
            np.asarray(boxes, np.float32).reshape(batch, -1, 4), scores.reshape(batch, height * width, classes)
        )

    def _pairs(self, outputs: Tensors, role: str) -> NDArray[np.float32]:
        values = self._read(outputs, role).astype(np.float32)
        return values[..., ::-1] if self.order == "xy" else values

    @property
    def losses(self) -> dict[str, LossName]:
        found: dict[str, LossName] = {self._spec("heatmap").name: "heatmap_focal", self._spec("size").name: "masked_l1"}
        return found | ({self._spec("offset").name: "masked_l1"} if "offset" in self.outputs else {})

    def training_targets(self, boxes: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """The heat map [B, h, w, C] with a Gaussian around each centre, 1 in its cell; sizes and offsets [B, h, w, 3],
        the last of them 1 in the cells of centres. Crowds are left out."""
        height, width, classes = self._spec("heatmap").shape[1:]
        grid = np.array([height, width])
        heat = np.zeros((len(boxes), height, width, classes), np.float32)
        size, offset = (np.zeros((len(boxes), height, width, 3), np.float32) for _ in range(2))
        factor = {"shares": np.ones(2), "cells": grid, "pixels": np.array(self.input_size)}[self.units]
        order = [1, 0] if self.order == "xy" else [0, 1]
        for index, rows in enumerate(boxes):
            there = rows[(rows[:, CLASS] >= 0) & (rows[:, CLASS] < classes) & (rows[:, FLAG] != CROWD)]
            centred = to_centres(there[:, : X_MAX + 1])
            # The largest first, so that of two centres in one cell the smaller object's sides are kept.
            for one in np.argsort(-centred[:, 2] * centred[:, 3], kind="stable"):
                place = centred[one, :2] * grid
                cell = np.clip(place.astype(np.int64), 0, grid - 1)
                row, column = int(cell[0]), int(cell[1])
                _draw(heat[index, :, :, int(there[one, CLASS])], row, column, _radius(*(centred[one, 2:] * grid)))
                size[index, row, column] = [*(centred[one, 2:] * factor)[order], 1]
                offset[index, row, column] = [*(place - cell)[order], 1]
        found = {self._spec("heatmap").name: heat, self._spec("size").name: size}
        return found | ({self._spec("offset").name: offset} if "offset" in self.outputs else {})


def _peaks(heat: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which values of a map [B, h, w, C] are peaks."""
    highest = heat >= _over_neighbours(heat, np.maximum, -np.inf)
    # Two neighbours that both are the highest around are equal: one step of int8.
    around = np.where(highest, _over_neighbours(heat, np.add, 0.0), np.float32(-np.inf))
    peaks: NDArray[np.bool_] = highest & (around >= _over_neighbours(around, np.maximum, -np.inf))
    return peaks


def _over_neighbours(heat: NDArray[np.float32], join: np.ufunc, outside: float) -> NDArray[np.float32]:
    """Each cell and its eight neighbours joined: three of a column, then three such of a row, the first two first."""
    for axis in (1, 2):
        padding = [(0, 0)] * heat.ndim
        padding[axis] = (1, 1)
        padded = np.pad(heat, padding, constant_values=outside)
        parts = [np.take(padded, np.arange(start, start + heat.shape[axis]), axis=axis) for start in range(3)]
        heat = join(join(parts[0], parts[1]), parts[2])
    return heat


def _radius(height: float, width: float) -> int:
    """How far a corner may be off, in cells, for the least overlap; the smallest of three cases.

    H. Law, J. Deng, CornerNet, https://arxiv.org/abs/1808.01244: both corners off outwards, inwards, or one each.
    """
    area, around, least = height * width, height + width, _MIN_OVERLAP
    one_each = (around - np.sqrt(max(around**2 - 4 * area * (1 - least) / (1 + least), 0))) / 2
    inwards = (2 * around - np.sqrt(max(4 * around**2 - 16 * (1 - least) * area, 0))) / 8
    outwards = (-2 * least * around + np.sqrt(4 * (least * around) ** 2 + 16 * least * (1 - least) * area)) / (
        8 * least
    )
    return max(0, int(min(one_each, inwards, outwards)))


def _draw(heat: NDArray[np.float32], row: int, column: int, radius: int) -> None:
    """Raise a map, in place, to a Gaussian around a cell."""
    spread = (2 * radius + 1) / 6
    rows = np.arange(max(row - radius, 0), min(row + radius + 1, heat.shape[0]))
    columns = np.arange(max(column - radius, 0), min(column + radius + 1, heat.shape[1]))
    gaussian = np.exp(-((rows - row)[:, None] ** 2 + (columns - column)[None] ** 2) / (2 * spread**2))
    part = heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.maximum(part, gaussian.astype(np.float32), out=part)
