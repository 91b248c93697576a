"""Bring an image to a size, with Pillow's filters."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Method = Literal["nearest", "bilinear", "bicubic", "lanczos", "area"]
Fit = Literal["stretch", "crop", "pad"]

FILTERS: dict[Method, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}


def resize(image: NDArray[Any], size: tuple[int, int], method: Method, fit: Fit) -> NDArray[Any]:
    """Resize an image; one that has the size already keeps its pixels.

    When shrinking, every method but `nearest` averages over all the pixels it covers (antialiasing).

    Args:
        image: uint8 or float32 [H, W, C].
        size: [height, width] in pixels.
        method: The filter.
        fit: `stretch` ignores the proportions, `crop` takes the largest centred part that has the target's,
            `pad` shows the whole image on black (0).

    Returns:
        The image's type, [*size, C].
    """
    height, width = image.shape[:2]
    if fit == "crop":
        part = min(height, round(width * size[0] / size[1])), min(width, round(height * size[1] / size[0]))
        image = _centre(image, (max(1, part[0]), max(1, part[1])))
    elif fit == "pad":
        ratio = min(size[0] / height, size[1] / width)
        inner = max(1, round(height * ratio)), max(1, round(width * ratio))
        top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        canvas = np.zeros((*size, image.shape[2]), image.dtype)
        canvas[top : top + inner[0], left : left + inner[1]] = _resample(image, inner, method)
        return canvas
    return _resample(image, size, method)


def _centre(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    top, left = (image.shape[0] - size[0]) // 2, (image.shape[1] - size[1]) // 2
    return image[top : top + size[0], left : left + size[1]]


def _resample(image: NDArray[Any], size: tuple[int, int], method: Method) -> NDArray[Any]:
    if image.shape[:2] == size:
        return image
    target = size[1], size[0]
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize(target, FILTERS[method]))
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    return np.stack([np.asarray(plane.resize(target, FILTERS[method])) for plane in planes], axis=-1)
