"""From what a source has to the four splits, none of which shares an example with another.

A split the source has is used as it is. The others are taken out of its training examples by seed, each class in its
share where there are classes: first the test, then the validation, then the calibration split. Each has a random stream
of its own, so that another number of calibration examples leaves the test split as it was.

Where examples belong together in groups, the test and the validation split get whole groups. Windows of one time series
are split in its order: the test split is its end, the validation split what comes before, and a window that reaches
across is left out. Calibration examples are ordinary training examples, set aside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.data.examples import Examples, Labels
from pipeline.data.sources.source import SPLITS, Source
from pipeline.recipe import Data

Indices = NDArray[np.int64]


def split(source: Source, data: Data) -> dict[str, Examples]:
    """The splits to work with, in the order train, calibration, validation, test.

    A split that neither the source has nor can be taken out of its training examples is absent: a source
    with only a test split has only that.

    Args:
        source: The examples as they are stored.
        data: Its `test`, `validation`, `calibration`, `calibration_share`, `limit` and `seed` count here.
    """
    splits = dict(source.splits)
    if "train" in splits:
        splits |= _carve(splits, data)
    if data.limit is not None:
        splits = {name: _limited(examples, data.limit, data.seed) for name, examples in splits.items()}
    return {name: splits[name] for name in SPLITS if name in splits}


def _carve(splits: dict[str, Examples], data: Data) -> dict[str, Examples]:
    train = splits["train"]
    left = np.arange(len(train), dtype=np.int64)
    carved: dict[str, Examples] = {}
    for stream, name in enumerate(("test", "validation", "calibration")):
        if name in splits:
            continue
        if name == "calibration":
            count = min(data.calibration, max(1, int(len(left) * data.calibration_share)))
        else:
            count = _share(len(left), data.test if name == "test" else data.validation)
        count = min(count, len(left) - 1)  # something must be left to train on
        if count <= 0:
            continue
        rng = np.random.default_rng([data.seed, stream])
        if name == "calibration":
            chosen, left = _drawn(train, left, count, rng)
        else:
            chosen, left = _held_out(train, left, count, rng)
        if len(chosen):
            carved[name] = train.subset(chosen)
    return carved | {"train": train.subset(left)} if carved else {}


def _held_out(train: Examples, left: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """What a test or validation split gets, and what is left."""
    if train.spans is not None:
        return _end_of_series(train.spans, left, count)
    if train.groups is not None:
        return _whole_groups(train.groups, left, count, rng)
    return _drawn(train, left, count, rng)


def _drawn(train: Examples, left: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    classes = None if train.classes is None else train.classes[left]
    chosen = left[_chosen(classes, len(left), count, rng)]
    return chosen, np.setdiff1d(left, chosen, assume_unique=True)


def _end_of_series(spans: Indices, left: Indices, count: int) -> tuple[Indices, Indices]:
    chosen = left[-count:]
    before = left[spans[left, 1] <= spans[chosen[0], 0]]
    return (chosen, before) if len(before) else (chosen[:0], left)


def _whole_groups(groups: Indices, left: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Groups in random order as long as they come nearer to `count`; at least one, and one is left."""
    numbers, sizes = np.unique(groups[left], return_counts=True)
    if len(numbers) < 2:
        return left[:0], left
    order = rng.permutation(len(numbers))
    reached = np.cumsum(sizes[order])
    nearest = 1 + int(np.argmin(np.abs(reached[:-1] - count)))
    held = np.isin(groups[left], numbers[order[:nearest]])
    return left[held], left[~held]


def _share(count: int, fraction: float) -> int:
    return max(1, round(count * fraction)) if fraction > 0 else 0


def _limited(examples: Examples, limit: int, seed: int) -> Examples:
    if len(examples) <= limit:
        return examples
    rng = np.random.default_rng([seed, 3])
    return examples.subset(_chosen(examples.classes, len(examples), limit, rng))


def _chosen(classes: Labels | None, total: int, count: int, rng: np.random.Generator) -> Indices:
    if classes is not None:
        return stratified(classes, count, rng)
    return np.sort(rng.permutation(total)[:count])


def stratified(labels: Labels, count: int, rng: np.random.Generator) -> Indices:
    """Choose `count` examples at random so that each class has its share of them, give or take one.

    Args:
        labels: int64 [N].
        count: At most N.
        rng: Decides which examples of a class, and which classes round up.

    Returns:
        int64 [count], positions in `labels`, ascending.
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    size = sizes[labels[by_class]]
    position = np.arange(len(labels)) - (np.cumsum(sizes) - sizes)[labels[by_class]]
    # The k-th of a class of n stands at (k + ½)/n: the first `count` on that line are a fair share of each.
    along = (position + 0.5) / size
    order = np.lexsort((rng.random(len(labels)), along))
    return np.sort(by_class[order[:count]])
