"""Boxes as corners, as centre and size, and relative to anchors; float32, each operation one that Java has too."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def to_corners(boxes: NDArray[Any]) -> NDArray[Any]:
    """Centre y, centre x, height, width → y_min, x_min, y_max, x_max; [..., 4]."""
    centres, halves = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=-1)


def to_centres(boxes: NDArray[Any]) -> NDArray[Any]:
    """The other way round."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


_LARGEST = 20
"""Exponents are cut there: a side of e^20 anchors is larger than any image, and no infinity comes out."""


def exp32(values: NDArray[Any]) -> Floats:
    """e^x, of x up to 20, worked out in float64 and rounded once, so that other languages round to the same float32."""
    return np.asarray(np.exp(np.minimum(values.astype(np.float64), _LARGEST)), np.float32)


def sigmoid32(values: NDArray[Any]) -> Floats:
    """1 / (1 + e^−x), worked out in float64 and rounded once."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values.astype(np.float64))), np.float32)


def softmax32(values: NDArray[Any]) -> Floats:
    """e^x / Σ e^x over the last axis, worked out in float64 and rounded once."""
    powers = np.exp(values.astype(np.float64) - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def decode_offsets(offsets: NDArray[Any], anchors: Floats, variances: Floats, linear: bool = False) -> Floats:
    """Corners of boxes that are given relative to anchors.

    Centre: offset · variance · anchor's side + anchor's centre; side: e^(offset · variance) · anchor's side, or
    offset · variance · anchor's side (W. Liu et al., SSD, https://arxiv.org/abs/1512.02325).

    Args:
        offsets: [B, A, 4]: of y, x, height, width.
        anchors: [A, 4].
        variances: [4].
        linear: Whether sides are products too, as MediaPipe's are.
    """
    scaled = offsets.astype(np.float32) * variances
    centres = scaled[..., :2] * anchors[:, 2:] + anchors[:, :2]
    sides = (scaled[..., 2:] if linear else exp32(scaled[..., 2:])) * anchors[:, 2:]
    return np.asarray(to_corners(np.concatenate([centres, sides], axis=-1)), np.float32)


def encode_offsets(boxes: NDArray[Any], anchors: Floats, variances: Floats, linear: bool = False) -> Floats:
    """The other way round; corners and anchors of the same number, [..., 4]."""
    centred = to_centres(boxes.astype(np.float32))
    places = (centred[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    shares = np.maximum(centred[..., 2:], np.float32(1e-6)) / anchors[..., 2:]
    sides = shares if linear else np.log(shares)
    return np.asarray(np.concatenate([places, sides], axis=-1) / variances, np.float32)


def intersections(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Areas that boxes share, [N, M] of corners [N, 4] and [M, 4]."""
    height, width = (
        np.minimum(first[:, None, axis + 2], second[None, :, axis + 2])
        - np.maximum(first[:, None, axis], second[None, :, axis])
        for axis in (0, 1)
    )
    shared: NDArray[Any] = np.maximum(height, 0) * np.maximum(width, 0)
    return shared


def areas(boxes: NDArray[Any]) -> NDArray[Any]:
    """[..., 4] → [...]; 0 where a side is negative."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    product: NDArray[Any] = sides[..., 0] * sides[..., 1]
    return product


def overlaps(first: NDArray[Any], second: NDArray[Any], crowds: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Intersection over union, [N, M]; over the first box's area where the second is a crowd. 0 of empty boxes."""
    shared = intersections(first, second)
    own = np.broadcast_to(areas(first)[:, None], shared.shape)
    whole = own + areas(second)[None] - shared
    if crowds is not None:
        whole = np.where(crowds[None], own, whole)
    shares: NDArray[Any] = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return shares
