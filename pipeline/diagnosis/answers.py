"""What a classifier answers to the same examples on one scale and on another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.class_scores import class_scores, softmax, top_k_hits
from pipeline.tasks.classification import Classification
from pipeline.tensors import Array, Batch, Predictor

Change = Callable[[Array], Array]
"""One input's arrays [B, ...] on another scale."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to n examples."""

    predicted: NDArray[np.int64]
    """Classes, [n]."""
    right: NDArray[np.bool_]
    """[n]; all False where nothing is known, or a label is none of the model's classes."""
    rank: NDArray[np.float64]
    """How many classes score higher than the label's, half of the others that score the same, [n]."""
    classes: int
    information: float
    """What an answer tells of its example, 0..1: the entropy of the mean answer less the mean entropy of an answer,
    over the most that they can differ. Near 0 where the model says the same of everything, or nothing for sure. This
    is the logarithm of the Inception score (T. Salimans et al., Improved techniques for training GANs, 2016)."""
    labels: NDArray[np.int64] | None = None
    """The data's, [n]; None where they are not known."""

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def most_frequent(self) -> tuple[int, float]:
        """The class answered most often, and the share of the examples that get it."""
        counts = np.bincount(self.predicted)
        return int(counts.argmax()), float(counts.max() / len(self.predicted))


def ask(
    predictor: Predictor, task: Classification, batches: Iterable[Batch], changed: str, changes: Mapping[str, Change]
) -> dict[str, Answers]:
    """The answers to the same examples under each change, in one pass.

    Args:
        predictor: The model.
        task: How its scores are read.
        batches: At least one example; without targets nothing counts as right.
        changed: The input of the data that the changes are made to.
        changes: By name.

    Raises:
        InputError: examples of another shape than the model takes.
    """
    scores: dict[str, list[Array]] = {name: [] for name in changes}
    labels: list[NDArray[np.int64]] = []
    for batch in batches:
        known = _labels(batch, task)
        if known is not None:
            labels.append(known)
        for name, change in changes.items():
            outputs = predictor({**batch.inputs, changed: change(batch.inputs[changed])}).real
            scores[name].append(outputs[task.output.name] if len(outputs) > 1 else next(iter(outputs.values())))
    known = np.concatenate(labels) if labels else None
    return {name: answers(np.concatenate(parts), known, task) for name, parts in scores.items()}


def answers(answered: Array, labels: NDArray[np.int64] | None, task: Classification) -> Answers:
    """How the scores of n examples hold against their labels.

    Args:
        answered: [n, C], or [n, 1] of one unit; may hold NaN and infinity.
        labels: [n]; None where they are not known.
        task: How the scores are read.
    """
    flat = answered.reshape(len(answered), -1)
    # A scale that is far off may overflow: such an answer is wrong and says nothing.
    broken: NDArray[np.bool_] = ~np.all(np.isfinite(flat), axis=1)
    scores = class_scores(np.where(broken[:, None], 0, flat).astype(np.float64), task.scores)
    shares = _probabilities(scores, logits=task.scores == "logits")
    count, classes = scores.shape
    right, rank = np.zeros(count, np.bool_), np.full(count, classes / 2)
    if labels is not None and labels.max() < classes:
        right = top_k_hits(scores, labels, 1) & ~broken
        rank = label_ranks(scores, labels)
        rank[broken] = classes
    most = np.log(min(count, classes)) or 1.0
    information = (_entropy(shares.mean(axis=0)) - _entropy(shares).mean()) / most
    return Answers(scores.argmax(axis=1), right, rank, classes, float(information), labels)


def label_ranks(scores: Array, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many classes score higher than the label's, and half of the other classes that score the same, [n].

    Args:
        scores: [n, C].
        labels: [n], 0..C−1.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    ranks: NDArray[np.float64] = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return ranks


def _labels(batch: Batch, task: Classification) -> NDArray[np.int64] | None:
    """Class numbers, [B]."""
    targets = task.targets_of(batch)
    if not targets:
        return None
    found = targets.get(task.target or "", next(iter(targets.values())))
    flat = found.reshape(len(found), -1)
    return np.asarray(flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0], np.int64)


def _probabilities(scores: NDArray[np.float64], *, logits: bool) -> NDArray[np.float64]:
    """[n, classes]."""
    if logits:
        return softmax(scores)
    # An int8 model's probabilities of many classes are rounded to 0 and do not add up to 1.
    clipped = np.clip(scores, 0, None)
    total = clipped.sum(axis=1, keepdims=True)
    return np.where(total > 0, clipped / np.where(total > 0, total, 1), 1 / scores.shape[1])


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=-1)
    return entropy
