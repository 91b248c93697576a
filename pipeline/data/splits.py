"""From what a source has to the four splits, none of which shares an example with another.

A split the source has is used as it is. The others are taken out of its training examples by seed, each class
in its share: first the test, then the validation, then the calibration split. Each has a random stream of its
own, so that another number of calibration examples leaves the test split as it was.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.data.examples import Examples, Labels, Subset
from pipeline.data.sources.source import SPLITS, Source
from pipeline.recipe import Data


def split(source: Source, data: Data) -> dict[str, Examples]:
    """The splits to work with, in the order train, calibration, validation, test.

    A split that neither the source has nor can be taken out of its training examples is absent: a source
    with only a test split has only that.

    Args:
        source: The examples as they are stored.
        data: Its `test`, `validation`, `calibration`, `limit` and `seed` count here.
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
            count = min(data.calibration, max(1, len(left) // 5))
        else:
            count = _share(len(left), data.test if name == "test" else data.validation)
        count = min(count, len(left) - 1)  # something must be left to train on
        if count > 0:
            chosen = left[stratified(train.labels[left], count, np.random.default_rng([data.seed, stream]))]
            carved[name] = Subset(train, chosen)
            left = np.setdiff1d(left, chosen, assume_unique=True)
    return carved | {"train": Subset(train, left)} if carved else {}


def _share(count: int, fraction: float) -> int:
    return max(1, round(count * fraction)) if fraction > 0 else 0


def _limited(examples: Examples, limit: int, seed: int) -> Examples:
    if len(examples) <= limit:
        return examples
    return Subset(examples, stratified(examples.labels, limit, np.random.default_rng([seed, 3])))


def stratified(labels: Labels, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
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
