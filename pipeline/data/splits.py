"""From what a source has to the four splits, none of which shares an example with another.

A split the source has is used as it is. The others are taken out of its training examples by seed, each class in its
share where there are classes (of an image with boxes the class that the fewest images have): first the test, then the
validation, then the calibration split. Each has a random stream of its own, so that another number of calibration
examples leaves the test split as it was.

Where examples belong together in groups, the test and the validation split get whole groups. Windows of one time series
are split in its order: the test split is its end, the validation split what comes before, and a window that reaches
across is left out. Calibration examples are ordinary training examples, set aside. Where nothing is trained there is
nothing to set them aside from: every example calibrates, up to the number that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.examples import Examples, Labels
from pipeline.data.sources.source import SPLITS, Source
from pipeline.recipe import Data

Indices = NDArray[np.int64]


CALIBRATION_SHARE = 0.2
"""Of the training examples, where they are trained on."""


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits to work with."""

    examples: dict[str, Examples]
    """By name, in the order train, calibration, validation, test."""
    calibrating: frozenset[str] = frozenset()
    """Splits with examples that are calibration examples too; without training alone."""


def split(source: Source, data: Data, *, trains: bool = True) -> Splits:
    """Divide a source's examples.

    A split that neither the source has nor can be taken out of its training examples is absent: a source
    with only a test split has only that, and where nothing is trained calibrates with it.

    Args:
        source: The examples as they are stored.
        data: Its `test`, `validation`, `calibration`, `calibration_share`, `limit` and `seed` count here.
        trains: Whether a model is trained on them. Where none is and `calibration_share` is not said, the calibration
            split is filled up to `calibration` with what is left of the training examples, then with those that were
            taken out of them for validation and test, which stay in these splits: the train, validation and test split
            are the same either way.
    """
    splits = dict(source.splits)
    carved = _carve(splits["train"], set(splits), data) if "train" in splits else {}
    calibrating: frozenset[str] = frozenset()
    if not trains and data.calibration_share is None and "calibration" not in source.splits:
        splits["calibration"], calibrating = _all_for_calibration(splits, carved, data)
        carved.pop("calibration", None)
    splits |= {name: source.splits["train"].subset(chosen) for name, chosen in carved.items()}
    if data.limit is not None:
        splits = {name: _limited(examples, data.limit, data.seed) for name, examples in splits.items()}
    return Splits({name: splits[name] for name in SPLITS if name in splits}, calibrating)


def _all_for_calibration(
    splits: dict[str, Examples], carved: dict[str, Indices], data: Data
) -> tuple[Examples, frozenset[str]]:
    """As many examples as are asked for, and the splits that they stay in."""
    if "train" not in splits:
        only = "validation" if "validation" in splits else "test"
        everything = np.arange(len(splits[only]), dtype=np.int64)
        rng = np.random.default_rng([data.seed, 4])
        return splits[only].subset(_some(splits[only], everything, data.calibration, rng)), frozenset({only})
    train = splits["train"]
    chosen = carved.get("calibration", np.empty(0, np.int64))
    shared = set()
    pools = {"train": np.arange(len(train), dtype=np.int64), **carved}
    for stream, name in enumerate(("train", "validation", "test"), 4):
        missing = data.calibration - len(chosen)
        if missing > 0 and name in pools:
            rng = np.random.default_rng([data.seed, stream])
            chosen = np.concatenate([chosen, _some(train, pools[name], missing, rng)])
            if name != "train":
                shared.add(name)
    return train.subset(np.sort(chosen)), frozenset(shared)


def _some(examples: Examples, of: Indices, count: int, rng: np.random.Generator) -> Indices:
    """At most `count` of these positions, each class in its share."""
    return of if len(of) <= count else _drawn(examples, of, count, rng)[0]


def _carve(train: Examples, there: set[str], data: Data) -> dict[str, Indices]:
    """Which training examples each split gets that is not there, and which are left; nothing where all are left."""
    left = np.arange(len(train), dtype=np.int64)
    carved: dict[str, Indices] = {}
    share = CALIBRATION_SHARE if data.calibration_share is None else data.calibration_share
    for stream, name in enumerate(("test", "validation", "calibration")):
        if name in there:
            continue
        if name == "calibration":
            count = min(data.calibration, max(1, int(len(left) * share)))
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
            carved[name] = chosen
    return carved | {"train": left} if carved else {}


def _held_out(train: Examples, left: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """What a test or validation split gets, and what is left."""
    if train.spans is not None:
        return _end_of_series(train.spans, left, count)
    if train.groups is not None:
        return _whole_groups(train.groups, left, count, rng)
    return _drawn(train, left, count, rng)


def _drawn(train: Examples, left: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    strata = _strata(train)
    chosen = left[_chosen(None if strata is None else strata[left], len(left), count, rng)]
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
    return examples.subset(_chosen(_strata(examples), len(examples), limit, rng))


def _strata(examples: Examples) -> Labels | None:
    return examples.strata if examples.classes is None else examples.classes


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
