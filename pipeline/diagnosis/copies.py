"""Finds an example again: exactly by a digest, nearly by a perceptual hash.

The hash is the difference hash (N. Krawetz, "Kind of like that", 2013): whether each of 8x8 cells of a thumbnail is
brighter than its left neighbour. Simple pictures (digits, diagrams) share it without being the same, so a pair counts
only where 16x16 thumbnails, brightness and contrast taken out, are the same too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis.input_statistics import InputKind
from pipeline.tensors import Array, Tensors

SIDE = 16
"""The thumbnail's sides."""
BITS = 6
"""Bits of 64 in which the hashes of a pair may differ; different photos differ in 10 and more."""
ALIKE = 0.998
"""Correlation of the thumbnails from which on they are the same. Measured: the same photo as JPEG of quality 50 or at
half the size 0.999 and more, different photos up to 0.94, different handwritten digits up to 0.991."""
_CHUNK = 1024


@dataclass
class Pairs:
    """Which examples were met again, as positions (this one, the earlier one)."""

    exact: list[tuple[int, int]] = field(default_factory=list)
    near: list[tuple[int, int]] = field(default_factory=list)


class Copies:
    """Remembers examples by some hundred bytes each. Flat ones are not looked at: they are all alike.

    Args:
        kinds: The inputs, which make an example together. Near copies are looked for where the one input is an image
            [H, W] or [H, W, C] of 8x8 pixels and more.
    """

    def __init__(self, kinds: Sequence[InputKind]) -> None:
        shape = kinds[0].shape
        image = len(kinds) == 1 and kinds[0].kind == "image"
        self.has_near = image and len(shape) in (2, 3) and min(shape[:2]) >= 8
        if self.has_near:
            self._rows, self._columns = _cells(shape[0], SIDE), _cells(shape[1], SIDE)
        self._digests: dict[bytes, int] = {}
        self._hashes: list[NDArray[np.uint64]] = []
        self._thumbnails: list[NDArray[np.float32]] = []
        self._positions: list[int] = []

    def add(self, positions: NDArray[np.int64], inputs: Tensors) -> Pairs:
        """Remember the examples of a batch, and say which of them are copies of earlier ones."""
        found = Pairs()
        for position, example in zip(positions.tolist(), _examples(inputs), strict=True):
            if all(np.all(array == array.flat[0]) for array in example):
                continue
            pairs = self._look_up(position, example)
            found.exact += pairs.exact
            found.near += pairs.near
            if not pairs.exact:
                self._remember(position, example)
        return found

    def of(self, positions: NDArray[np.int64], inputs: Tensors) -> Pairs:
        """Which examples of another batch are copies of remembered ones. They are not remembered."""
        found = Pairs()
        for position, example in zip(positions.tolist(), _examples(inputs), strict=True):
            pairs = self._look_up(position, example)
            found.exact += pairs.exact
            found.near += pairs.near
        return found

    def _look_up(self, position: int, example: tuple[Array, ...]) -> Pairs:
        earlier = self._digests.get(_digest(example))
        if earlier is not None:
            return Pairs(exact=[(position, earlier)])
        if not self.has_near:
            return Pairs()
        code, thumbnail = self._hashed(example[0])
        for start, hashes in zip(range(0, len(self._positions), _CHUNK), self._hashes, strict=True):
            end = min(start + _CHUNK, len(self._positions))
            close = np.flatnonzero(np.bitwise_count(hashes[: end - start] ^ code) <= BITS)
            same = close[self._thumbnails[start // _CHUNK][close] @ thumbnail >= ALIKE]
            if len(same):
                return Pairs(near=[(position, self._positions[start + int(same[0])])])
        return Pairs()

    def _remember(self, position: int, example: tuple[Array, ...]) -> None:
        self._digests[_digest(example)] = position
        if not self.has_near:
            return
        place = len(self._positions) % _CHUNK
        if place == 0:
            self._hashes.append(np.zeros(_CHUNK, np.uint64))
            self._thumbnails.append(np.zeros((_CHUNK, SIDE * SIDE), np.float32))
        self._hashes[-1][place], self._thumbnails[-1][place] = self._hashed(example[0])
        self._positions.append(position)

    def _hashed(self, example: Array) -> tuple[np.uint64, NDArray[np.float32]]:
        """The difference hash, and the thumbnail [SIDE²] with mean 0 and length 1."""
        grey = example.mean(axis=-1) if example.ndim == 3 else example
        small = self._rows @ grey @ self._columns.T
        tiny = _cells(SIDE, 8) @ small @ _cells(SIDE, 9).T
        bits = np.packbits(tiny[:, 1:] > tiny[:, :-1])
        flat = small.ravel() - small.mean()
        length = np.linalg.norm(flat)
        return bits.view(np.uint64)[0], (flat / length if length > 0 else flat).astype(np.float32)


def _examples(inputs: Tensors) -> Iterator[tuple[Array, ...]]:
    """The arrays of each example of a batch."""
    return zip(*inputs.values(), strict=True)


def _digest(example: tuple[Array, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in example:
        digest.update(array.tobytes())
    return digest.digest()


def _cells(length: int, cells: int) -> NDArray[np.float64]:
    """[cells, length]: each row averages over one of equal parts of the length, whole pixels or not."""
    edges = np.linspace(0, length, cells + 1)
    pixel = np.arange(length)
    overlap = np.clip(np.minimum(pixel + 1, edges[1:, None]) - np.maximum(pixel, edges[:-1, None]), 0, None)
    cells_of: NDArray[np.float64] = overlap / overlap.sum(axis=1, keepdims=True)
    return cells_of
