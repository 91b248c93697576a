"""The examples of a split, one batch in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.data import Dataset
from pipeline.tensors import Batch, first_examples

READ = 32
"""Examples read at a time."""


def numbered(dataset: Dataset, split: str) -> Iterator[tuple[NDArray[np.int64], Batch]]:
    """All readable examples in stored order, with their positions in the split, int64 [B]."""
    examples = dataset.split(split)
    place = 0
    for batch in dataset.batches(split, READ):
        positions = []
        for _ in range(len(batch)):
            while examples.where(place) in dataset.skipped:
                place += 1
            positions.append(place)
            place += 1
        yield np.array(positions, np.int64), batch


def sample(dataset: Dataset, split: str, count: int) -> Iterator[Batch]:
    """At most `count` examples in an order that is random and the same every time.

    Stored order will not do: folders and many tables are sorted by class.
    """
    return first_examples(dataset.batches(split, min(READ, count), shuffle_seed=0), count)
