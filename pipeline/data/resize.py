"""Bring an image to a size, with Pillow's filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.placement import Placement

Method = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
Fit = Literal["stretch", "crop", "pad"]

FILTERS: dict[Method, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}


class Rectangle(NamedTuple):
    """Whole pixels of an image."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Geometry:
    """Which part of an image is shown, and where in the result: all that resizing knows of places.

    Attributes:
        stored: The image's [height, width].
        size: The result's.
        part: What of the image is shown.
        inner: Where in the result it lies; the rest of it is padding.
    """

    stored: tuple[int, int]
    size: tuple[int, int]
    part: Rectangle
    inner: Rectangle

    @property
    def placement(self) -> Placement:
        """Where the image's edges lie in the result."""
        top, bottom = self._edges(0)
        left, right = self._edges(1)
        return Placement(float(self.stored[0]), float(self.stored[1]), top, left, bottom, right)

    def _edges(self, axis: int) -> tuple[float, float]:
        zoom = self.inner[axis + 2] / self.part[axis + 2]
        start = self.inner[axis] - self.part[axis] * zoom
        return start / self.size[axis], (start + self.stored[axis] * zoom) / self.size[axis]


def geometry(stored: tuple[int, int], size: tuple[int, int] | None, fit: Fit) -> Geometry:
    """
    Args:
        stored: The image's [height, width] in pixels.
        size: The one that is wanted; None: the image's own.
        fit: `stretch` ignores the proportions, `crop` takes the largest centred part that has the target's,
            `pad` shows the whole image and fills up around it.
    """
    size = size or stored
    (height, width), part, inner = stored, Rectangle(0, 0, *stored), Rectangle(0, 0, *size)
    if fit == "crop":
        shown = min(height, round(width * size[0] / size[1])), min(width, round(height * size[1] / size[0]))
        part = _centred(stored, (max(1, shown[0]), max(1, shown[1])))
    elif fit == "pad":
        ratio = min(size[0] / height, size[1] / width)
        inner = _centred(size, (max(1, round(height * ratio)), max(1, round(width * ratio))))
    return Geometry(stored, size, part, inner)


def resize(image: NDArray[Any], where: Geometry, method: Method, padding: int = 0) -> NDArray[Any]:
    """Resize an image; one that has the size already keeps its pixels.

    When shrinking, every method but `nearest` averages over all the pixels it covers (antialiasing).

    Args:
        image: uint8, int32 or float32 [H, W, C], H and W as `where` says.
        where: What of it is shown, and where.
        method: The filter.
        padding: The value of what lies beside it.

    Returns:
        The image's type, [*size, C].
    """
    size = where.size
    top, left, height, width = where.part
    shown = _resample(image[top : top + height, left : left + width], where.inner[2:], method)
    if where.inner[2:] == size:
        return shown
    canvas = np.full((*size, image.shape[2]), padding, image.dtype)
    top, left, height, width = where.inner
    canvas[top : top + height, left : left + width] = shown
    return canvas


def _centred(of: tuple[int, int], size: tuple[int, int]) -> Rectangle:
    return Rectangle((of[0] - size[0]) // 2, (of[1] - size[1]) // 2, *size)


def _resample(image: NDArray[Any], size: tuple[int, int], method: Method) -> NDArray[Any]:
    if image.shape[:2] == size:
        return image
    target = size[1], size[0]
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(target, FILTERS[method]))
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(plane.resize(target, FILTERS[method])) for plane in planes], axis=-1)
