"""Outlines of objects drawn into masks, as COCO's own tools draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.data.annotations.annotated import Outline, RunLengths


def drawn(objects: Iterable[tuple[int, Outline]], size: tuple[int, int], shares: bool) -> NDArray[np.uint8]:
    """A mask of classes: 0 where no object is; of several objects the smallest one's.

    Args:
        objects: The mask's value of each, and its outline.
        size: [height, width] of the mask.
        shares: Outlines are in shares of the sides, not in pixels.

    Raises:
        ValueError: run lengths of another size.
    """
    mask = np.zeros(size, np.uint8)
    filled = [(value, _filled(outline, size, shares)) for value, outline in objects]
    for value, inside in sorted(filled, key=lambda one: -int(one[1].sum())):
        mask[inside] = value
    return mask


def _filled(outline: Outline, size: tuple[int, int], shares: bool) -> NDArray[np.bool_]:
    if isinstance(outline, RunLengths):
        if outline.size != size:
            raise ValueError(f"it has a mask of {outline.size[0]} x {outline.size[1]} pixels (height x width)")
        runs = _unpacked(outline.counts) if isinstance(outline.counts, str) else outline.counts
        if min(runs, default=0) < 0 or sum(runs) != size[0] * size[1]:
            raise ValueError("it has run lengths that are not of its mask's size")
        values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return values.reshape(size[::-1]).T
    from pycocotools import mask as coco

    scale = np.array([size[1], size[0]]) if shares else np.ones(2)
    # What lies far outside costs memory, and changes nothing that is seen.
    limit = np.array([size[1], size[0]])
    parts = [np.clip(np.array(part).reshape(-1, 2) * scale, -limit, 2 * limit).reshape(-1).tolist() for part in outline]
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects(parts, *size))), bool)


def _unpacked(text: str) -> Sequence[int]:
    """Run lengths as pycocotools packs them: five bits a sign, the sixth says that more follow, from the third on the
    difference to the one before the last.

    Raises:
        ValueError: it is no such text.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for sign in text:
        bits = ord(sign) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("it has run lengths that cannot be unpacked")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise ValueError("it has run lengths that end in their middle")
    return runs
