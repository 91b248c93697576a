"""Which examples are images, whose size and channels may be changed; all others are fed in the shape they have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.data.examples import Column, CorruptExampleError
from pipeline.data.file_columns import mode_of
from pipeline.errors import InputError
from pipeline.recipe import Preprocess
from pipeline.tensors import Array, show_shape

CHANNELS = (1, 3, 4)


def may_be_image(kind: str, raw: Array) -> bool:
    """Whether an example can be taken for an image: of a file, or uint8 [H, W] or [H, W, 1, 3 or 4].

    Args:
        kind: Of its column.
        raw: As it is stored.
    """
    if kind == "image":
        return True
    return raw.dtype == np.uint8 and (raw.ndim == 2 or (raw.ndim == 3 and raw.shape[2] in CHANNELS))


def check_resizable(name: str, column: Column, raw: Array, recipe: Preprocess) -> None:
    """
    Args:
        name: The input's.
        column: Its examples.
        raw: One of them.
        recipe: Whose size and channels are asked for.

    Raises:
        InputError: they are not what the example has, and it is no image.
    """
    if may_be_image(column.kind, raw):
        return
    own = raw.shape if raw.ndim == 3 else (*raw.shape, 1)
    wanted = (*(recipe.size or own[:2]), recipe.channels or own[-1])
    if own != wanted:
        raise InputError(
            f"'{name}' holds {raw.dtype} {show_shape(raw.shape)}, and data.preprocess asks for {show_shape(wanted)}: "
            "only images are resized, that is image files and uint8 arrays of 1, 3 or 4 channels. Prepare the examples "
            "in the model's shape and leave size and channels out; images store as uint8."
        )


def stored_image(column: Column) -> tuple[int, ...] | None:
    """[H, W, channels] of the first image as it lies in its file or array; None where it is none, or is broken."""
    try:
        raw = column[0]
    except CorruptExampleError:
        return None
    if not may_be_image(column.kind, raw):
        return None
    height, width, channels = raw.shape if raw.ndim == 3 else (*raw.shape, 1)
    if column.kind == "image" and mode_of(Path(column.where(0))) in ("L", "I"):
        channels = 1
    return height, width, channels


def shown_change(stored: Sequence[int], made: Sequence[int]) -> str:
    """In words."""
    what = []
    if tuple(stored[:2]) != tuple(made[:2]):
        what.append(f"images of {stored[0]}x{stored[1]} (the first one's size) are resized to {made[0]}x{made[1]}")
    if stored[2] == 1 and made[2] > 1:
        what.append(f"the images' one channel is repeated {made[2]} times")
    elif stored[2] != made[2]:
        what.append(f"the images' {stored[2]} channels become {made[2]}")
    return ", ".join(what)
