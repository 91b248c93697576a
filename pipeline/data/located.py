"""Boxes, masks and points prepared with the image that they lie in: resized, cropped, padded and augmented alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pipeline.boxes import CLASS, COLUMNS, IGNORED, NO_CLASS
from pipeline.data.augment import Change
from pipeline.data.examples import Column
from pipeline.data.located_columns import SLACK
from pipeline.data.preprocess import ImagePreprocessor, Preprocessor, Standardized, Typed
from pipeline.data.resize import Geometry, geometry, resize
from pipeline.data.sources.source import KnownTarget
from pipeline.errors import InputError, did_you_mean
from pipeline.placement import Placement
from pipeline.recipe import Preprocess, Target
from pipeline.tensors import Array


@dataclass(frozen=True)
class View:
    """How a model sees one stored image.

    Attributes:
        geometry: Of its resizing.
        change: Of its augmentation.
    """

    geometry: Geometry
    change: Change = field(default_factory=Change)

    @property
    def placement(self) -> Placement:
        """Where the stored image lies in what the model is fed."""
        return self.change.placement(self.geometry.placement, self.geometry.size)


class Located(Protocol):
    """Prepares one kind of target."""

    def __call__(self, stored: Array, view: View) -> Array:
        """
        Raises:
            ValueError: it cannot be of this image.
        """
        ...


@dataclass(frozen=True)
class Boxes:
    """Boxes: [n, 7] as of :mod:`pipeline.boxes` in pixels → [most, 7] in shares of the model's input.

    What is out of sight is cut off. Rows that no box fills are zeros of the class `NO_CLASS`.

    Attributes:
        most: Boxes of the example that has most.
        min_visible: A box of which less than this share of its area is in sight is left out, as is one of none.
    """

    most: int
    min_visible: float

    def __call__(self, stored: Array, view: View) -> Array:
        _check_inside(stored[:, :4].reshape(-1, 2), view.geometry, "a box")
        ends = view.placement.to_input(stored[:, :4].reshape(-1, 2, 2).astype(np.float64))
        low, high = ends.min(axis=1), ends.max(axis=1)  # which a flip exchanges
        seen_low, seen_high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        seen = np.prod(seen_high - seen_low, axis=1)
        kept = (seen > 0) & (seen >= self.min_visible * np.prod(high - low, axis=1))
        rows = np.zeros((self.most, COLUMNS), np.float32)
        rows[:, CLASS] = NO_CLASS
        count = int(kept.sum())
        rows[:count, :4] = np.concatenate([seen_low, seen_high], axis=1)[kept]
        rows[:count, 4:] = stored[kept, 4:]
        return rows


@dataclass(frozen=True)
class Mask:
    """A mask: [H, W] class indices → int32 [h, w] at the model's input size, the nearest pixel's; beside the image
    `IGNORED`."""

    def __call__(self, stored: Array, view: View) -> Array:
        if stored.shape != view.geometry.stored:
            raise ValueError(
                f"its mask is of {_sides(stored.shape)} pixels and the image of {_sides(view.geometry.stored)} (height "
                "x width)"
            )
        resized = resize(stored.astype(np.int32)[..., None], view.geometry, "nearest", IGNORED)
        return view.change.mask(resized[..., 0])


@dataclass(frozen=True)
class Points:
    """Points: [K, 3] y, x in pixels and visibility → the same in shares of the model's input.

    A point that is out of sight has the visibility 0, and one of that visibility lies at 0, 0.

    Attributes:
        flipped: For each point, the one that takes its place where the image is flipped.
    """

    flipped: tuple[int, ...]

    def __call__(self, stored: Array, view: View) -> Array:
        labelled = stored[:, 2] > 0
        _check_inside(stored[labelled, :2], view.geometry, "a point")
        places = view.placement.to_input(stored[:, :2].astype(np.float64))
        labelled &= ((places >= 0) & (places <= 1)).all(axis=1)
        points = np.where(labelled[:, None], np.concatenate([places, stored[:, 2:]], axis=1), 0).astype(np.float32)
        return points[list(self.flipped)] if view.change.flip else points


def for_located(name: str, known: KnownTarget, columns: Sequence[Column], section: Target) -> Located:
    """What prepares a target.

    Args:
        name: Its name.
        known: Of its kind, with the points' names.
        columns: Its entries in every split.
        section: The recipe's.

    Raises:
        InputError: the recipe names points that there are not.
    """
    if known.kind == "boxes":
        counts = [len(column[index]) for column in columns for index in range(len(column))]
        return Boxes(max([1, *counts]), section.min_visible)
    if known.kind == "mask":
        return Mask()
    flipped = list(range(len(known.class_names)))
    index_of = {name: index for index, name in enumerate(known.class_names)}
    for pair in section.flip_pairs:
        places = [index_of.get(str(one), one) for one in pair]
        for place in places:
            if not isinstance(place, int) or not 0 <= place < len(flipped):
                raise InputError(
                    f"data.targets.{name}.flip_pairs: there is no point '{place}'."
                    f"{did_you_mean(str(place), known.class_names)}"
                )
            if flipped[place] != place:
                raise InputError(f"data.targets.{name}.flip_pairs has the point '{place}' in two pairs.")
        first, second = map(int, places)
        flipped[first], flipped[second] = second, first
    return Points(tuple(flipped))


def image_preprocessor(preprocessors: Mapping[str, Preprocessor], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The name of the one input that is an image.

    Args:
        preprocessors: By input.
        shapes: Of one prepared example.

    Raises:
        InputError: there is none, or there are several.
    """
    found = [name for name, one in preprocessors.items() if as_image(one) is not None and len(shapes[name]) == 3]
    if len(found) != 1:
        listed = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes.items())
        raise InputError(
            f"Boxes, masks and points lie in the one input that is an image; of the inputs {listed} "
            f"{'none' if not found else 'several'} is one. Name one image in data.inputs."
        )
    return found[0]


def as_image(preprocessor: Preprocessor) -> Preprocess | None:
    """The section by which a preprocessor resizes; None: it is not for images."""
    while isinstance(preprocessor, Standardized | Typed):
        preprocessor = preprocessor.inner
    return preprocessor.recipe if isinstance(preprocessor, ImagePreprocessor) else None


def view_of(stored: Array, recipe: Preprocess, change: Change | None) -> View:
    """How the model sees a stored image, [H, W, C] or [H, W]."""
    where = geometry((stored.shape[0], stored.shape[1]), recipe.size, recipe.fit)
    return View(where) if change is None else View(where, change)


def _check_inside(points: Array, where: Geometry, what: str) -> None:
    height, width = where.stored
    outside = (points < -SLACK) | (points > np.array([height, width]) + SLACK)
    if outside.any():
        y, x = points[outside.any(axis=1)][0]
        raise ValueError(f"{what} reaches to y {y:g}, x {x:g}, outside of the image of {height} x {width} pixels")


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
