"""Random changes to training images, and to what is known of places in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import IGNORED
from pipeline.placement import Placement
from pipeline.recipe import Augment
from pipeline.tensors import Array

LUMA = (0.299, 0.587, 0.114)
"""ITU-R 601: what a colour's grey is."""


@dataclass(frozen=True)
class Change:
    """One example's: all of its images and all that is known of places in them are changed alike.

    An image is flipped or not, zoomed, and moved. What comes in from outside counts for nothing in a mask.

    Attributes:
        flip: Left–right.
        zoom: The factor by which things grow.
        move: Down and to the right, as shares of the size; by whole pixels where nothing is zoomed.
        colour: Factors of brightness, contrast and saturation.
        fill: What comes in from outside: the `edge` again, or the image's `mean`.
    """

    flip: bool = False
    zoom: float = 1.0
    move: tuple[float, float] = (0.0, 0.0)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fill: Literal["edge", "mean"] = "edge"

    def tinted(self, image: Array) -> Array:
        """A stored image, [H, W, C] or [H, W], in other colours: whole numbers stay within their type's range."""
        if self.colour == (1.0, 1.0, 1.0):
            return image
        brightness, contrast, saturation = map(np.float32, self.colour)
        x = image.astype(np.float32) * brightness
        x = (x - x.mean()) * contrast + x.mean()
        if x.ndim == 3 and x.shape[2] == len(LUMA):
            grey = (x @ np.array(LUMA, np.float32))[..., None]
            x = (x - grey) * saturation + grey
        if image.dtype.kind == "f":
            return np.asarray(x, image.dtype)
        limits = np.iinfo(image.dtype)
        return np.asarray(np.clip(np.round(x), limits.min, limits.max), image.dtype)

    def image(self, image: Array) -> Array:
        """A prepared image, [H, W, C], of its own type."""
        if self.flip:
            image = image[:, ::-1]
        height, width = image.shape[:2]
        if self.zoom == 1.0:
            rows, columns = self._sources(height, 0), self._sources(width, 1)
            moved = image[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
        else:
            x = image.astype(np.float32, copy=False)
            for axis, length in enumerate((height, width)):
                x = _between(x, self._centres(length, axis) - 0.5, axis)
            moved = np.asarray(x if image.dtype.kind == "f" else np.round(x), image.dtype)
        if self.fill == "edge":
            return moved
        mean = image.mean(axis=(0, 1), dtype=np.float64).astype(image.dtype)
        return np.where(self._inside(height, width)[..., None], moved, mean)

    def mask(self, mask: Array) -> Array:
        """A prepared mask, [H, W]."""
        if self.flip:
            mask = mask[:, ::-1]
        height, width = mask.shape
        rows, columns = self._sources(height, 0), self._sources(width, 1)
        moved = mask[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
        return np.where(self._inside(height, width), moved, IGNORED).astype(mask.dtype)

    def placement(self, placement: Placement, size: tuple[int, int]) -> Placement:
        """Where the stored image's edges lie now; flipped, the left one lies right.

        Args:
            placement: Where they lay.
            size: Of the prepared image, in pixels.
        """
        left, right = placement.left, placement.right
        if self.flip:
            left, right = 1 - left, 1 - right
        down, across = (partial(self._moved, length=length, axis=axis) for axis, length in enumerate(size))
        return replace(
            placement, top=down(placement.top), bottom=down(placement.bottom), left=across(left), right=across(right)
        )

    def _inside(self, height: int, width: int) -> NDArray[np.bool_]:
        """Which pixels, [H, W], show one of the image."""
        rows, columns = self._sources(height, 0), self._sources(width, 1)
        return ((rows >= 0) & (rows < height))[:, None] & (columns >= 0) & (columns < width)

    def _by(self, length: int, axis: int) -> float:
        """The move along an axis, in pixels."""
        return self.move[axis] * length if self.zoom != 1.0 else float(round(self.move[axis] * length))

    def _moved(self, share: float, length: int, axis: int) -> float:
        return (share - 0.5) * self.zoom + 0.5 + self._by(length, axis) / length

    def _centres(self, length: int, axis: int) -> NDArray[np.float64]:
        """Where in the image each pixel's centre was, in pixels from its edge."""
        centres = np.arange(length) + 0.5 - self._by(length, axis)
        return np.asarray((centres - length / 2) / self.zoom + length / 2, np.float64)

    def _sources(self, length: int, axis: int) -> NDArray[np.intp]:
        """For each position, the one it shows, which may lie outside."""
        if self.zoom == 1.0:
            return np.arange(length) - round(self.move[axis] * length)
        return np.floor(self._centres(length, axis)).astype(np.intp)


def changes(augment: Augment, rng: np.random.Generator) -> Callable[[], Change]:
    """What draws the change of one example after the other.

    How many values an example takes depends on the section alone, so that one's changes do not depend on another's.
    """

    def draw() -> Change:
        toss, down, right = rng.random(3)
        change = Change(
            bool(augment.flip and toss < 0.5),
            move=((2 * down - 1) * augment.shift, (2 * right - 1) * augment.shift),
            fill=augment.fill,
        )
        if augment.scale:
            size, *place = rng.random(3)
            zoom = float((1 + augment.scale) ** (2 * size - 1))
            room = abs(zoom - 1) / 2
            move = [float(by + (2 * to - 1) * room) for by, to in zip(change.move, place, strict=True)]
            change = replace(change, zoom=zoom, move=(move[0], move[1]))
        if augment.colour:
            brightness, contrast, saturation = (1 + augment.colour * (2 * rng.random(3) - 1)).tolist()
            change = replace(change, colour=(brightness, contrast, saturation))
        return change

    return draw


def _between(x: Array, at: NDArray[np.float64], axis: int) -> Array:
    """Linear interpolation along an axis; beyond its ends the edge."""
    length = x.shape[axis]
    at = np.clip(at, 0, length - 1)
    low = np.floor(at).astype(np.intp)
    weight = (at - low).astype(np.float32).reshape([-1 if place == axis else 1 for place in range(x.ndim)])
    first, second = np.take(x, low, axis), np.take(x, np.minimum(low + 1, length - 1), axis)
    return np.asarray(first + (second - first) * weight)
