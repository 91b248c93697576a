"""A short name for the content of a data set, the same from run to run as long as the data is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.examples import Column, CorruptExampleError, Examples
from pipeline.data.file_digests import digests
from pipeline.tensors import Array

SAMPLED = 64
"""Entries a split that are hashed of someone else's sequence, of which reading one may take any time."""
_BLOCK = 1 << 24
"""Bytes of an array that are hashed at a time: a memory-mapped one never lies in memory as a whole."""

Listing = Mapping[str, tuple[Sequence[Sequence[str]], Sequence[object]]]
"""Split → an example's files, and what is known about it."""


def of_files(root: Path, splits: Listing) -> str:
    """SHA-256 over every file's relative name, label and content."""
    digest = hashlib.sha256()
    for split, (files, labels) in sorted(splits.items()):
        digest.update(f"{split} {len(files)}\n".encode())
        contents = iter(digests([root / name for names in files for name in names]))
        for names, label in zip(files, labels, strict=True):
            for name in names:
                digest.update(f"{name}\t{label}\t{next(contents)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def of_examples(splits: Mapping[str, Examples]) -> str:
    """SHA-256 over the inputs and targets of every split: of what lies in arrays all, of other sequences evenly spaced
    entries."""
    digest = hashlib.sha256()
    for split, examples in sorted(splits.items()):
        digest.update(f"{split} {len(examples)}\n".encode())
        for name, column in [*sorted(examples.inputs.items()), *sorted(examples.targets.items())]:
            digest.update(f"{name}\n".encode())
            for part in _parts(column):
                digest.update(part)
    return digest.hexdigest()


def _parts(column: Column) -> Iterator[bytes]:
    if column.arrays is not None:
        for array in column.arrays:
            yield from _bytes(array)
        return
    for index in np.unique(np.linspace(0, len(column) - 1, SAMPLED, dtype=np.int64)):
        try:
            yield from _bytes(column[int(index)])
        except CorruptExampleError as error:
            yield error.reason.encode(errors="surrogateescape")


def _bytes(array: Array) -> Iterator[bytes]:
    """Shape, type and content."""
    yield f"{array.shape} {array.dtype}\n".encode()
    if array.ndim == 0 or not array.size:
        yield array.tobytes()
        return
    entries = max(1, _BLOCK * len(array) // array.nbytes)
    for start in range(0, len(array), entries):
        yield array[start : start + entries].tobytes()
