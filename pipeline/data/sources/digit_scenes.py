"""`digit_scenes`: handwritten digits of different sizes and colours on noise, with their boxes or masks.

Composed of scikit-learn's digits, the same scenes every time: those of the training scenes are never seen in a test
scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.boxes import COLUMNS, ORDINARY
from pipeline.data.sources.arrays import source_of_arrays
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.recipe import Data
from pipeline.tensors import INPUT, TARGET

SIDE = 96
SCENES = {"train": 600, "test": 200}
MOST, EMPTY = 5, 0.05
"""Digits of a scene, and the share of scenes without any."""
SMALLEST, LARGEST = 16, 44
"""Pixels of a digit's height before its margins are cut off."""
INK = 96
"""Of 255: a pixel of so much ink is the digit's."""
OVERLAP = 0.1
"""Of the smaller of two boxes, at most."""
_TRIES = 20
NAMES = tuple("0123456789")
BACKGROUND = "background"


def digit_scenes(data: Data, names: tuple[str, ...] | None) -> Source:
    """600 training and 200 test scenes, uint8 [96, 96, 3], with the boxes of one to five digits; some are empty."""
    scenes = {split: _scenes(split) for split in SCENES}
    arrays = {split: ({INPUT: made.images}, {TARGET: made.boxes}) for split, made in scenes.items()}
    return source_of_arrays(arrays, data, names, {TARGET: KnownTarget("boxes", NAMES)})


def digit_scenes_masks(data: Data, names: tuple[str, ...] | None) -> Source:
    """The same scenes with masks: class 0 is the background, 1 to 10 are the digits 0 to 9."""
    scenes = {split: _scenes(split) for split in SCENES}
    arrays = {split: ({INPUT: made.images}, {TARGET: made.masks}) for split, made in scenes.items()}
    return source_of_arrays(arrays, data, names, {TARGET: KnownTarget("mask", (BACKGROUND, *NAMES))})


@dataclass(frozen=True, eq=False)
class _Scenes:
    images: NDArray[np.uint8]
    boxes: list[NDArray[np.float32]]
    masks: NDArray[np.uint8]


@cache
def _scenes(split: str) -> _Scenes:
    from sklearn.datasets import load_digits

    found = load_digits()
    rng = np.random.default_rng(list(SCENES).index(split))
    # A fifth of the people's digits, whole runs of them, are for the test alone.
    held_back = np.arange(len(found.images)) >= 0.8 * len(found.images)
    mine = np.flatnonzero(held_back == (split == "test"))
    ink, labels = np.round(found.images * (255 / 16)).astype(np.uint8), found.target
    count = SCENES[split]
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    boxes = []
    for scene in range(count):
        ground = rng.uniform(20, 110, 3)
        canvas = ground + rng.normal(scale=rng.uniform(5, 20), size=(SIDE, SIDE, 3))
        rows: list[list[float]] = []
        for _ in range(0 if rng.random() < EMPTY else int(rng.integers(1, MOST + 1))):
            which = int(rng.choice(mine))
            drawn = _cut(ink[which], int(rng.integers(SMALLEST, LARGEST + 1)))
            corner = _free_place(drawn.shape, rows, rng)
            if corner is None:
                continue
            top, left = corner
            height, width = drawn.shape
            inside = np.s_[top : top + height, left : left + width]
            opaque = drawn[..., None] / 255
            colour = ground + rng.uniform(90, 145, 3)
            canvas[inside] = canvas[inside] * (1 - opaque) + colour * opaque
            masks[scene][inside][drawn >= INK] = labels[which] + 1
            rows.append([top, left, top + height, left + width, labels[which], ORDINARY, height * width])
        images[scene] = np.clip(np.round(canvas), 0, 255)
        boxes.append(np.array(rows, np.float32).reshape(-1, COLUMNS))
    shared: list[NDArray[Any]] = [images, masks, *boxes]
    for array in shared:
        array.setflags(write=False)
    return _Scenes(images, boxes, masks)


def _cut(digit: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """A digit enlarged and cut so that its box is tight around its ink."""
    large = np.asarray(Image.fromarray(digit).resize((height, height), Image.Resampling.BICUBIC))
    inked = large >= INK
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return large[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _free_place(size: tuple[int, ...], rows: list[list[float]], rng: np.random.Generator) -> tuple[int, int] | None:
    """A corner at which a digit hardly covers another one; None: there is none within some tries."""
    others = np.array(rows).reshape(-1, COLUMNS)[:, :4]
    for _ in range(_TRIES):
        top, left = (int(rng.integers(0, SIDE - side + 1)) for side in size[:2])
        low = np.maximum(others[:, :2], [top, left])
        high = np.minimum(others[:, 2:], [top + size[0], left + size[1]])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        smaller = np.minimum(np.prod(others[:, 2:] - others[:, :2], axis=1), size[0] * size[1])
        if (shared <= OVERLAP * smaller).all():
            return top, left
    return None
