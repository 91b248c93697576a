"""The networks by the name that a recipe gives them, built for its task and data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError, did_you_mean
from pipeline.models.dense_prediction.backbone import Backbone, build_backbone, sides_at
from pipeline.models.dense_prediction.detectors import centernet, ssd_lite
from pipeline.models.dense_prediction.segmenters import deeplabv3plus_lite, u_net, u_net_on
from pipeline.tasks.detection.anchors import anchor_maps
from pipeline.tensors import OPEN

BACKBONE = "MobileNetV2"
FINEST = 2
"""The smallest stride of a backbone's features."""


@dataclass(frozen=True)
class Request:
    """What a network is to be."""

    name: str
    """Of :data:`NETWORKS`."""
    input_shape: tuple[int, ...]
    """Without the batch."""
    classes: int
    """Of a mask with its background, of boxes without one."""
    task: Mapping[str, Any]
    """The options of the recipe's task: anchors and strides are its."""
    backbone: str | None = None
    alpha: float | None = None
    weights: str | None = None


def build_network(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Any:
    """
    Args:
        wanted: Whose name is in :data:`NETWORKS`.
        zoo: The architectures of `tf_keras.applications`.

    Raises:
        InputError: inputs that are no images of a fixed size, or a backbone or weights that cannot be had.
    """
    if len(wanted.input_shape) != 3 or OPEN in wanted.input_shape or None in wanted.input_shape:
        shown = ", ".join("?" if side in (OPEN, None) else str(side) for side in wanted.input_shape)
        raise InputError(
            f"{wanted.name} takes images [height, width, channels] of a fixed size, and the data's are [{shown}]: set "
            "data.preprocess.size, or model.input_shape."
        )
    return NETWORKS[wanted.name](wanted, zoo)


def _backbone(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Backbone:
    name = wanted.backbone or BACKBONE
    if name not in zoo:
        raise InputError(
            f"There is no tf_keras.applications model '{name}' to be the backbone.{did_you_mean(name, zoo)}"
        )
    return build_backbone(name, zoo[name], wanted.input_shape, alpha=wanted.alpha, weights=wanted.weights)


def _ssd_lite(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Any:
    height, width, _ = wanted.input_shape
    maps = anchor_maps(wanted.task.get("anchors"), (height, width))
    levels = _strides((height, width), [cells for cells, _ in maps])
    counts = [count for _, count in maps]
    return ssd_lite(_backbone(wanted, zoo), wanted.classes, list(zip(levels, counts, strict=True)), wanted.alpha)


def _strides(input_size: tuple[int, int], grids: Sequence[tuple[int, int]]) -> list[int]:
    """The stride of each feature map, each larger than the one before.

    Raises:
        InputError: a grid that halving the input does not give.
    """
    found: list[int] = []
    for grid in grids:
        stride = 2 * found[-1] if found else FINEST
        while stride <= max(input_size) and sides_at(input_size, stride) != grid:
            stride *= 2
        if sides_at(input_size, stride) != grid:
            raise InputError(
                f"ssd_lite has feature maps of the strides {FINEST}, {2 * FINEST}, {4 * FINEST} and so on, and "
                f"task.anchors has one of {grid[0]}x{grid[1]} cells, which an input of {input_size[0]}x{input_size[1]} "
                "does not give there. Give anchors.strides that are powers of 2, in ascending order."
            )
        found.append(stride)
    return found


def _centernet(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Any:
    return centernet(_backbone(wanted, zoo), wanted.classes, wanted.alpha)


def _deeplabv3plus_lite(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Any:
    return deeplabv3plus_lite(_backbone(wanted, zoo), wanted.classes, wanted.alpha)


def _u_net(wanted: Request, zoo: Mapping[str, Callable[..., Any]]) -> Any:
    if wanted.backbone is not None:
        return u_net_on(_backbone(wanted, zoo), wanted.classes, wanted.alpha)
    if wanted.weights not in (None, "none"):
        raise InputError("model.weights of u_net are its backbone's: name one with --set model.backbone=MobileNetV2.")
    return u_net(wanted.input_shape, wanted.classes, wanted.alpha)


NETWORKS: Mapping[str, Callable[[Request, Mapping[str, Callable[..., Any]]], Any]] = {
    "ssd_lite": _ssd_lite,
    "centernet": _centernet,
    "deeplabv3plus_lite": _deeplabv3plus_lite,
    "u_net": _u_net,
}
