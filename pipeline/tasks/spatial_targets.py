"""Targets that lie in the image: boxes, masks and points, told from others by the placement that stands beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import COLUMNS
from pipeline.errors import InputError
from pipeline.placement import SUFFIX, Placement
from pipeline.tensors import OPEN, Tensors, TensorSpec

SpatialKind = Literal["boxes", "mask", "points"]


_Target = TypeVar("_Target")


def without_placements(targets: Mapping[str, _Target]) -> dict[str, _Target]:
    """Those that something is judged by."""
    return {name: spec for name, spec in targets.items() if not is_placement(name, targets)}


def is_placement(name: str, targets: Mapping[str, object]) -> bool:
    """Whether a target says only where the image of another one lies."""
    return name.endswith(SUFFIX) and name.removesuffix(SUFFIX) in targets


def spatial_kinds(targets: Mapping[str, TensorSpec]) -> dict[str, SpatialKind]:
    """What the targets that have a placement hold, by name."""
    kinds = {name: _kind(spec) for name, spec in targets.items() if name + SUFFIX in targets}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind(spec: TensorSpec) -> SpatialKind | None:
    shape, kind = spec.shape[1:], spec.dtype.kind
    if len(shape) != 2:
        return None
    if kind in "iu":
        return "mask"
    return "boxes" if shape[1] == COLUMNS else "points" if shape[1] == 3 else None


def placements_of(targets: Tensors, name: str, count: int, input_size: tuple[int, int]) -> list[Placement]:
    """Where each example's image lies; where that is not given, it is the whole input in the input's pixels."""
    rows: NDArray[np.floating] | None = targets.get(name + SUFFIX)
    if rows is None:
        return [Placement(float(input_size[0]), float(input_size[1]))] * count
    return [Placement.of_row(row) for row in rows]


def image_size(inputs: Mapping[str, TensorSpec], model: tuple[TensorSpec, ...], task: str) -> tuple[int, int]:
    """Height and width of the one image that a model takes.

    Args:
        inputs: Of the data.
        model: Its inputs.
        task: Its name, for the message.

    Raises:
        InputError: none or several inputs are images, or their size is open.
    """
    for specs in (tuple(inputs.values()), model):
        images = [spec.shape[1:3] for spec in specs if len(spec.shape) == 4]
        if len(images) == 1 and OPEN not in images[0]:
            return images[0][0], images[0][1]
    listed = ", ".join(map(str, model)) or "none"
    raise InputError(
        f"The task {task} needs one image input of a known height and width; the model's inputs are {listed}. Fix the "
        "size with data.preprocess.resize, or in the model."
    )
