"""Points of one object in an image: how many are near enough (PCK), and how near on the whole (OKS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import InputError
from pipeline.placement import Placement
from pipeline.tasks.single_output import SingleOutputTask, check_count, check_numbers, without_ones
from pipeline.tasks.spatial_targets import placements_of, without_placements
from pipeline.tasks.task import LossName, Metric
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

PCK = Metric("pck", "PCK", "%")
OKS = Metric("oks", "OKS")
_NEAR, _KNOWN, _OKS = range(3)
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class Keypoints(SingleOutputTask):
    """Coordinates [B, K, 2] or [B, K, 3] (a third value is not looked at), flat or not, or heat maps [B, h, w, K];
    targets [B, K, 3]: y, x, and 0 where a point is not known.

    Distances are in pixels of the stored image, by the object's size: the longer side of the box around its known
    points, or the image's.

    - `pck`: the share of known points that are off by at most `pck_at` of that size (Y. Yang, D. Ramanan, Articulated
      human detection with flexible mixtures of parts, TPAMI 2013).
    - `oks`: COCO's object keypoint similarity, Σ exp(−d² / (2 · area · (2σ)²)) over the known points by their number,
      with the area of that box; the mean over the examples.

    Of a heat map, a point is the middle of the highest cell, a quarter of a cell nearer to the higher neighbour on each
    axis (B. Xiao, H. Wu, Y. Wei, https://arxiv.org/abs/1804.06208).
    """

    name = "keypoints"
    units: Literal["shares", "pixels"] = "shares"
    """Of coordinates: shares of the input's sides, or its pixels."""
    order: Literal["yx", "xy"] = "yx"
    """Of coordinates."""
    pck_at: Positive = 0.1
    size_of: Literal["object", "image"] = "object"
    """What distances are compared with."""
    sigmas: Positive | tuple[Positive, ...] = 0.05
    """Of OKS, of all points or of each."""
    points: int = OPEN
    """How many there are."""
    input_size: tuple[int, int] = (1, 1)
    """Height and width of the model's input in pixels."""

    losses_known = ("masked_l1", "mse")

    def _metrics(self) -> tuple[Metric, ...]:
        return PCK, OKS

    @property
    def _maps(self) -> bool:
        return len(self.output.shape) == 4 and 1 not in self.output.shape[1:3]

    @property
    def losses(self) -> Mapping[str, LossName]:
        if self.loss == "distillation":
            return {}
        own: LossName = "mse" if self._maps or self.output.shape[1:] != (self.points, 2) else "masked_l1"
        return {self.output.name: self.loss or own}

    def _check_output(self, output: TensorSpec) -> None:
        values, shape = int(np.prod(output.shape[1:])), without_ones(output.shape[1:])
        flat = len(shape) in (1, 2) and (OPEN in shape or self.points < 1 or values / self.points in (2, 3))
        maps = OPEN in (self.points, output.shape[-1]) or output.shape[-1] == self.points
        if not (maps if self._maps else flat):
            count = "points" if self.points < 1 else str(self.points)
            raise InputError(
                f"Keypoints are coordinates [batch, {count}, 2 or 3] or heat maps [batch, height, width, {count}], and "
                f"the model's output '{output.name}' is {show_shape(output.shape)}. The data's points must be the "
                "model's; or name the output that holds them, or another task."
            )
        if isinstance(self.sigmas, tuple) and len(self.sigmas) != self.points > 0:
            raise InputError(f"task.sigmas has {len(self.sigmas)} values for {self.points} points.")

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if len(target.shape) != 3 or target.shape[-1] != 3 or target.dtype.kind != "f":
            raise InputError(
                f"Keypoints are judged by points [batch, points, 3], and the target '{target.name}' is {target.dtype} "
                f"{show_shape(target.shape)}. Name the target that holds points, and say what it is: "
                f"data.targets.{target.name}.kind=points."
            )

    def answer(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Where the points lie, [B, K, 2] of y and x as shares of the input.

        Args:
            values: The output, real, [B, …].
        """
        if self._maps:
            return _peaks(values.astype(np.float32))
        count = self.points if self.points > 0 else values.shape[1]
        found = values.reshape(len(values), count, -1)[..., :2].astype(np.float32)
        if self.order == "xy":
            found = found[..., ::-1]
        size = self.input_size if self.units == "pixels" else (1, 1)
        return np.asarray(found / np.array(size, np.float32), np.float32)

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float64]:
        """[B, 3]: points that are near enough, points that are known, and OKS (NaN where none is known)."""
        values = self._read_as_map(outputs)
        check_numbers(values, self.output.name)
        wanted = self._wanted(targets)
        check_count(wanted, len(values), "the points")
        said = self.answer(values)
        if said.shape[1] != wanted.shape[1]:
            raise InputError(
                f"The model gives {said.shape[1]} points and the target holds {wanted.shape[1]}: they must be the same."
            )
        places = placements_of(targets, self._target_name(targets), len(values), self.input_size)
        found = np.zeros((len(values), 3))
        for index, place in enumerate(places):
            known = wanted[index, :, 2] > 0
            found[index] = self._judge(place, said[index][known], wanted[index][known, :2], known)
        return found

    def _judge(
        self, place: Placement, said: NDArray[Any], wanted: NDArray[Any], known: NDArray[np.bool_]
    ) -> tuple[float, float, float]:
        if not len(wanted):
            return 0.0, 0.0, float("nan")
        true = place.to_image(wanted.astype(np.float64))
        off = np.linalg.norm(place.to_image(said.astype(np.float64)) - true, axis=-1)
        sides = true.max(axis=0) - true.min(axis=0)
        if self.size_of == "image" or not sides.max() > 0:  # of one point there is no box
            sides = np.array([place.height, place.width])
        area = max(float(sides[0] * sides[1]), 1.0)
        sigmas = np.broadcast_to(np.array(self.sigmas), known.shape)[known]
        similar = np.exp(-(off**2) / (2 * area * (2 * sigmas) ** 2)).mean()
        return float(np.count_nonzero(off <= self.pck_at * sides.max())), float(len(true)), float(similar)

    def _target_name(self, targets: Tensors) -> str:
        there = without_placements(targets)
        return self.target if self.target is not None and self.target in there else next(iter(there), "")

    def _wanted(self, targets: Tensors) -> NDArray[Any]:
        points = self._read_target(targets)
        if points.ndim != 3 or points.shape[2] != 3:
            raise InputError(
                f"The target '{self.target}' holds {show_shape(points.shape)}; keypoints are judged by points "
                "[batch, points, 3]: y, x, and 0 where one is not known."
            )
        return points

    def finalize(self, statistics: NDArray[Any]) -> NDArray[Any]:
        """
        Raises:
            InputError: no point of any example is known.
        """
        if not statistics[:, _KNOWN].any():
            raise InputError(
                f"None of the {len(statistics)} examples has a point that is known. Look at the data's annotations and "
                "splits; without points, models are compared by task: fidelity."
            )
        return statistics

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        known, similar = statistics[:, _KNOWN].sum(), statistics[:, _OKS]
        there = similar[~np.isnan(similar)]
        return {
            "pck": float(statistics[:, _NEAR].sum() / known) if known else float("nan"),
            "oks": float(there.mean()) if len(there) else float("nan"),
        }

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """The share of points that are off by at most `pck_at` of the size, as the reference has it."""
        one, two = (self.answer(self._read_as_map(outputs)) for outputs in (reference, other))
        size = np.array(self.input_size, np.float64)
        off = np.linalg.norm((one - two) * size, axis=-1)
        sides = (one.max(axis=1) - one.min(axis=1)) * size
        longest = np.where(sides.max(axis=1) > 0, sides.max(axis=1), size.max())
        limit = np.full(len(one), size.max()) if self.size_of == "image" else longest
        near: NDArray[np.float64] = (off <= self.pck_at * limit[:, None]).mean(axis=1, dtype=np.float64)
        return near

    def before_activation(self) -> Keypoints:
        return replace(self)  # heat maps keep their order; coordinates end in a sigmoid seldom

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        """Coordinates as the output has them with 1 behind them where a point is known, [B, K, 3]; of heat maps a
        Gaussian around each known point, of a standard deviation of one cell."""
        wanted = self._wanted(targets)
        known = wanted[..., 2:] > 0
        if self._maps:
            height, width = self.output.shape[1:3]
            y, x = ((np.arange(n) + 0.5) / n for n in (height, width))
            down = np.exp(-(((y[:, None] - wanted[:, None, :, 0]) * height) ** 2) / 2)  # [B, h, K]
            across = np.exp(-(((x[:, None] - wanted[:, None, :, 1]) * width) ** 2) / 2)
            heat = down[:, :, None] * across[:, None] * known[:, None, None, :, 0]
            return {self.output.name: heat.astype(np.float32)}
        places = wanted[..., :2] * (np.array(self.input_size) if self.units == "pixels" else 1.0)
        if self.order == "xy":
            places = places[..., ::-1]
        if self.output.shape[1:] == (self.points, 2):
            return {self.output.name: np.concatenate([places * known, known], axis=-1).astype(np.float32)}
        return {}


def _peaks(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    batch, height, width, count = heat.shape
    place = heat.reshape(batch, height * width, count).argmax(axis=1)
    rows, columns = np.divmod(place, width)
    example, point = np.arange(batch)[:, None], np.arange(count)[None]
    up, down = (heat[example, np.clip(rows + one, 0, height - 1), columns, point] for one in (-1, 1))
    left, right = (heat[example, rows, np.clip(columns + one, 0, width - 1), point] for one in (-1, 1))
    quarter, half = np.float32(0.25), np.float32(0.5)
    y = (rows + half + np.sign(down - up) * quarter) / np.float32(height)
    x = (columns + half + np.sign(right - left) * quarter) / np.float32(width)
    return np.stack([y, x], axis=-1).astype(np.float32)
