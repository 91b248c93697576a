"""A short name for the content of a data set, the same from run to run as long as the data is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.data.examples import CorruptExampleError, Examples, Labels

SAMPLED = 64
"""Examples a split whose bytes are hashed; reading all of a large data set would take too long."""


def of_files(root: Path, splits: Mapping[str, tuple[Sequence[str], Labels]]) -> str:
    """SHA-256 over every file's relative name, label, size and modification time."""
    digest = hashlib.sha256()
    for split, (names, labels) in sorted(splits.items()):
        digest.update(f"{split} {len(names)}\n".encode())
        for name, label in zip(names, labels, strict=True):
            stat = (root / name).stat()
            digest.update(f"{name}\t{label}\t{stat.st_size}\t{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def of_examples(splits: Mapping[str, Examples]) -> str:
    """SHA-256 over all labels and, of evenly spaced examples, the shape, type and bytes."""
    digest = hashlib.sha256()
    for split, examples in sorted(splits.items()):
        digest.update(f"{split} {len(examples)}\n".encode())
        digest.update(examples.labels.tobytes())
        for index in np.unique(np.linspace(0, len(examples) - 1, SAMPLED, dtype=np.int64)):
            try:
                example = examples[int(index)]
            except CorruptExampleError as error:
                digest.update(error.reason.encode())
                continue
            digest.update(f"{example.shape} {example.dtype}\n".encode())
            digest.update(np.ascontiguousarray(example).tobytes())
    return digest.hexdigest()
