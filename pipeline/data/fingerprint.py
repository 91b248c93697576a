"""A short name for the content of a data set, the same from run to run as long as the data is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.columns import ArrayColumn
from pipeline.data.examples import CorruptExampleError, Examples

SAMPLED = 64
"""Examples a split whose bytes are hashed; reading all of a large data set would take too long."""

Listing = Mapping[str, tuple[Sequence[Sequence[str]], Sequence[object]]]
"""Split → an example's files, and what is known about it."""


def of_files(root: Path, splits: Listing) -> str:
    """SHA-256 over every file's relative name, label, size and modification time."""
    digest = hashlib.sha256()
    for split, (files, labels) in sorted(splits.items()):
        digest.update(f"{split} {len(files)}\n".encode())
        for names, label in zip(files, labels, strict=True):
            for name in names:
                stat = (root / name).stat()
                digest.update(f"{name}\t{label}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def of_examples(splits: Mapping[str, Examples]) -> str:
    """SHA-256 over all targets that are in memory and, of evenly spaced examples, the shape, type and bytes of every
    input and target."""
    digest = hashlib.sha256()
    for split, examples in sorted(splits.items()):
        digest.update(f"{split} {len(examples)}\n".encode())
        for name, target in sorted(examples.targets.items()):
            if isinstance(target, ArrayColumn) and target.array.ndim <= 2:
                digest.update(name.encode())
                digest.update(np.ascontiguousarray(target.array).tobytes())
        columns = [*sorted(examples.inputs.items()), *sorted(examples.targets.items())]
        for index in np.unique(np.linspace(0, len(examples) - 1, SAMPLED, dtype=np.int64)):
            for name, column in columns:
                try:
                    entry = column[int(index)]
                except CorruptExampleError as error:
                    digest.update(error.reason.encode())
                    continue
                digest.update(f"{name} {entry.shape} {entry.dtype}\n".encode())
                digest.update(np.ascontiguousarray(entry).tobytes())
    return digest.hexdigest()
