"""Anchors: the boxes that an SSD's outputs are relative to, by the rules of the frameworks that train them.

They are centre y, centre x, height, width as shares of the model's input, float32 [A, 4]: level by level, row by row,
cell by cell, and the boxes of a cell side by side. A cell's centre is that of its part of the input.

>>> made = grid_anchors((64, 64), strides=(32,), scales=(1.0,), ratios=(1.0,))
>>> made[0].tolist(), made.shape
([0.25, 0.25, 0.5, 0.5], (4, 4))
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import InputError
from pipeline.tasks.options import options_of, read_options

Shares = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
Sizes = Sequence[tuple[float, float]]
"""Height and width of each box of a cell, as shares of the input."""
Positive = Annotated[int, Field(ge=1)]
Strides = Annotated[tuple[Positive, ...], Field(min_length=1)]
Levels = Annotated[tuple[Positive | tuple[Positive, Positive], ...], Field(min_length=1)]
Maps = Sequence[tuple[tuple[int, int], Sizes]]
"""Of each level: its cells along the height and the width, and the boxes of a cell."""

STRIDES = (8, 16, 32, 64)
SCALES = (2.0, 2 * math.sqrt(2))
RATIOS = (1.0, 0.5, 2.0)
"""Of the anchors that nothing is said about: sides from 2 strides on, each a factor of √2 more than the one before."""


@dataclass(frozen=True)
class _Grid:
    """As RetinaNet's: the same shapes on every level, in strides (T.-Y. Lin et al., https://arxiv.org/abs/1708.02002)."""

    strides: Strides = STRIDES
    scales: Shares = SCALES
    """The side of a square of the same area, in strides."""
    ratios: Shares = RATIOS
    """Width by height."""

    def maps(self, input_size: tuple[int, int]) -> Maps:
        height, width = input_size
        levels = []
        for stride in self.strides:
            sides = [(scale * stride, ratio) for scale in self.scales for ratio in self.ratios]
            shares = [(side / math.sqrt(ratio) / height, side * math.sqrt(ratio) / width) for side, ratio in sides]
            levels.append((_cells(input_size, stride), shares))
        return levels


@dataclass(frozen=True)
class _Sizes:
    """Each level's shapes one by one."""

    sizes: Annotated[tuple[Annotated[tuple[tuple[float, float], ...], Field(min_length=1)], ...], Field(min_length=1)]
    """By level: height and width of each box, as shares of the input."""
    strides: Strides | None = None
    grids: Levels | None = None
    """By level: cells along the height and the width, or one number for both."""

    def maps(self, input_size: tuple[int, int]) -> Maps:
        return list(zip(_grids(self, input_size, len(self.sizes)), self.sizes, strict=True))


@dataclass(frozen=True)
class _Multibox:
    """As MXNet's `MultiBoxPrior` and the SSDs of face detectors: every size as a square (of the first ratio), then the
    first size in the other ratios. W. Liu et al., https://arxiv.org/abs/1512.02325.
    """

    sizes: Annotated[tuple[Shares, ...], Field(min_length=1)]
    """By level, as shares of the input's sides."""
    ratios: Shares | Annotated[tuple[Shares, ...], Field(min_length=1)] = (1.0,)
    """Width by height; of every level, or by level."""
    strides: Strides | None = None
    grids: Levels | None = None

    def maps(self, input_size: tuple[int, int]) -> Maps:
        by_level = [one if isinstance(one, tuple) else self.ratios for one in self.ratios]
        if not isinstance(self.ratios[0], tuple):
            by_level = [self.ratios] * len(self.sizes)
        if len(by_level) != len(self.sizes):
            raise InputError(f"anchors.ratios has {len(by_level)} levels and anchors.sizes {len(self.sizes)}.")
        shapes = []
        for sizes, ratios in zip(self.sizes, by_level, strict=True):
            first, *others = (math.sqrt(float(ratio)) for ratio in ratios)  # type: ignore[arg-type]
            shapes.append(
                [(size / first, size * first) for size in sizes]
                + [(sizes[0] / root, sizes[0] * root) for root in others]
            )
        return list(zip(_grids(self, input_size, len(shapes)), shapes, strict=True))


@dataclass(frozen=True)
class _TensorFlow:
    """As the TF Object Detection API's `ssd_anchor_generator` (`multiple_grid_anchor_generator.py`)."""

    strides: Strides = (16, 32, 64, 128, 256, 512)
    grids: Levels | None = None
    min_scale: float = 0.2
    max_scale: float = 0.95
    ratios: Shares = (1.0, 2.0, 0.5, 3.0, 1 / 3)
    """Width by height."""
    interpolated_ratio: Annotated[float, Field(ge=0)] = 1.0
    """Of a box between this level's scale and the next one's; 0: none."""
    reduce_lowest: bool = True
    """Whether the first level has three boxes only."""

    def maps(self, input_size: tuple[int, int]) -> Maps:
        count = len(self.strides) if self.grids is None else len(self.grids)
        shapes = []
        shorter = min(input_size)
        for level, scale in enumerate(_scales(self.min_scale, self.max_scale, count)):
            following = _scales(self.min_scale, self.max_scale, count)[level + 1] if level + 1 < count else 1.0
            if level == 0 and self.reduce_lowest:
                pairs = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
            else:
                pairs = [(scale, ratio) for ratio in self.ratios]
                if self.interpolated_ratio:
                    pairs.append((math.sqrt(scale * following), self.interpolated_ratio))
            shapes.append(
                [
                    (
                        size / math.sqrt(ratio) * shorter / input_size[0],
                        size * math.sqrt(ratio) * shorter / input_size[1],
                    )
                    for size, ratio in pairs
                ]
            )
        return list(zip(_grids(self, input_size, count), shapes, strict=True))


@dataclass(frozen=True)
class _MediaPipe:
    """As MediaPipe's `SsdAnchorsCalculator`: levels of the same stride that follow each other share their cells.

    Its defaults are those of BlazeFace for selfies: 896 anchors at 128×128.
    """

    strides: Strides = (8, 16, 16, 16)
    min_scale: float = 0.1484375
    max_scale: float = 0.75
    ratios: Shares = (1.0,)
    interpolated_ratio: Annotated[float, Field(ge=0)] = 1.0
    fixed_size: bool = True
    """Whether every anchor is as large as the input, and boxes are relative to its centre alone."""

    def maps(self, input_size: tuple[int, int]) -> Maps:
        count = len(self.strides)
        scales = [*_scales(self.min_scale, self.max_scale, count), 1.0]
        levels = []
        for stride, together in groupby(range(count), lambda level: self.strides[level]):
            pairs = []
            for level in together:
                pairs += [(scales[level], ratio) for ratio in self.ratios]
                if self.interpolated_ratio:
                    pairs.append((math.sqrt(scales[level] * scales[level + 1]), self.interpolated_ratio))
            shapes = [(size / math.sqrt(ratio), size * math.sqrt(ratio)) for size, ratio in pairs]
            levels.append((_cells(input_size, stride), [(1.0, 1.0)] * len(shapes) if self.fixed_size else shapes))
        return levels


RULES = {"grid": _Grid, "sizes": _Sizes, "multibox": _Multibox, "tf_od": _TensorFlow, "mediapipe": _MediaPipe}


def grid_anchors(
    input_size: tuple[int, int],
    strides: Sequence[int] = STRIDES,
    scales: Sequence[float] = SCALES,
    ratios: Sequence[float] = RATIOS,
) -> NDArray[np.float32]:
    """The same shapes on the cells of every level.

    Args:
        input_size: Height and width in pixels.
        strides: Of the levels, in pixels; a level has ⌈side / stride⌉ cells along a side.
        scales: The side of a square of the same area, in strides.
        ratios: Width by height; the fastest to change.

    Returns:
        float32 [A, 4]: centre y, centre x, height, width.
    """
    return _on_cells(_Grid(tuple(strides), tuple(scales), tuple(ratios)).maps(input_size))


def read_anchors(section: str | Mapping[str, Any] | None, input_size: tuple[int, int]) -> NDArray[np.float32]:
    """A recipe's `anchors`.

    Args:
        section: `{rule: one of RULES, …its options}`, of which `grid` need not be named; a .npy or .csv file of [A, 4]
            (centre y, centre x, height, width as shares of the input); None for :func:`grid_anchors` as it is.
        input_size: Of the model, height and width in pixels.

    Returns:
        float32 [A, 4].

    Raises:
        InputError: an unknown rule or option, levels that do not agree, or a file that holds no such table.
    """
    if isinstance(section, str):
        return _of_file(Path(section))
    return _on_cells(_maps(section, input_size))


def anchor_maps(
    section: str | Mapping[str, Any] | None, input_size: tuple[int, int]
) -> list[tuple[tuple[int, int], int]]:
    """The feature maps that a network needs for a recipe's `anchors`.

    Args:
        section: As of :func:`read_anchors`.
        input_size: Height and width in pixels.

    Returns:
        Of each map, in the order of the anchors: its cells along the height and the width, and the boxes of a cell.

    Raises:
        InputError: as :func:`read_anchors`, or the anchors are a file's, which does not say their maps.
    """
    if isinstance(section, str):
        raise InputError(
            f"The anchors of {section} do not say which feature maps they belong to, so no network can be built for "
            f"them. Give task.anchors by a rule: {', '.join(RULES)}."
        )
    return [(cells, len(sizes)) for cells, sizes in _maps(section, input_size)]


def read_maps(section: str | Mapping[str, Any] | None, input_size: tuple[int, int]) -> Maps | None:
    """What the anchors of :func:`read_anchors` are made of; None where a file lists them one by one.

    Raises:
        InputError: as :func:`read_anchors`.
    """
    return None if isinstance(section, str) else _maps(section, input_size)


def _maps(section: Mapping[str, Any] | None, input_size: tuple[int, int]) -> Maps:
    options = dict(section or {})
    rule = options.pop("rule", "sizes" if "sizes" in options else "grid")
    if rule not in RULES:
        raise InputError(f"task.anchors.rule is one of {', '.join(RULES)}, not {rule!r}.")
    known = options_of(RULES[rule])
    given = read_options(f"anchors' rule {rule}", known, options, "task.anchors")
    made: Maps = RULES[rule](**given).maps(input_size)
    return made


def _of_file(path: Path) -> NDArray[np.float32]:
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
        anchors = np.asarray(values, np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"The anchors' file {path} cannot be read: {error}.") from error
    if anchors.ndim != 2 or anchors.shape[1] != 4 or not np.isfinite(anchors).all() or (anchors[:, 2:] <= 0).any():
        raise InputError(
            f"The anchors' file {path} holds {list(anchors.shape)} values; it is to hold [anchors, 4]: centre y, "
            "centre x, height and width as shares of the input, the last two above 0."
        )
    return anchors


def _scales(lowest: float, highest: float, count: int) -> list[float]:
    if count == 1:
        return [(lowest + highest) / 2]
    return [lowest + (highest - lowest) * level / (count - 1) for level in range(count)]


def _cells(input_size: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-input_size[0] // stride), -(-input_size[1] // stride)


def _grids(rule: Any, input_size: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    given = rule.grids if rule.grids is not None else rule.strides
    if given is None:
        raise InputError("task.anchors needs the strides of the levels, in pixels, or their grids, in cells.")
    if len(given) != levels:
        raise InputError(f"task.anchors names {len(given)} strides or grids, and boxes for {levels} levels.")
    if rule.grids is None:
        return [_cells(input_size, stride) for stride in given]
    return [(grid, grid) if isinstance(grid, int) else grid for grid in given]


def _on_cells(levels: Maps) -> NDArray[np.float32]:
    parts = []
    for (rows, columns), sizes in levels:
        y, x = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
        centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)[:, :, None]
        shapes = np.asarray(sizes, np.float64)[None, None]
        whole = (rows, columns, len(sizes), 2)
        both = [np.broadcast_to(centres, whole), np.broadcast_to(shapes, whole)]
        parts.append(np.concatenate(both, axis=-1).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)
