"""What a classifier answers to the same examples on one scale and on another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data import Batch
from pipeline.evaluation.statistics import top_k_hits
from pipeline.tflite.runner import Runner

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Inputs [B, ...] on another scale."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to n examples."""

    predicted: NDArray[np.int64]
    """Classes, [n]."""
    right: NDArray[np.bool_]
    """[n]; all False where a label is none of the model's classes."""
    rank: NDArray[np.float64]
    """How many classes score higher than the label's, half of those that score the same, [n]."""
    classes: int
    information: float
    """What an answer tells of its example, 0..1: the entropy of the mean answer less the mean entropy of an answer,
    over the most that they can differ. Near 0 where the model says the same of everything, or nothing for sure. This
    is the logarithm of the Inception score (T. Salimans et al., Improved techniques for training GANs, 2016)."""

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def favourite(self) -> tuple[int, float]:
        """The class answered most often, and the share of the examples that get it."""
        counts = np.bincount(self.predicted)
        return int(counts.argmax()), float(counts.max() / len(self.predicted))


def ask(runner: Runner, batches: Iterable[Batch], changes: Mapping[str, Change]) -> dict[str, Answers] | None:
    """The answers to the same examples under each change, in one pass.

    Args:
        runner: A model with one input and one output.
        batches: At least one example.
        changes: By name.

    Returns:
        None where the model is no classifier: its output is not [batch, classes].

    Raises:
        InputError: examples of another shape than the model takes.
    """
    scores: dict[str, list[NDArray[np.float32]]] = {name: [] for name in changes}
    labels = []
    for batch in batches:
        labels.append(batch.y)
        for name, change in changes.items():
            answer = runner.predict(change(batch.x))
            if answer.ndim != 2 or answer.shape[1] == 0:
                return None
            scores[name].append(answer)
    known = np.concatenate(labels)
    return {name: _answers(np.concatenate(parts), known) for name, parts in scores.items()}


def _answers(answered: NDArray[np.float32], labels: NDArray[np.int64]) -> Answers:
    # A scale that is far off may overflow: such an answer is wrong and says nothing.
    broken: NDArray[np.bool_] = ~np.all(np.isfinite(answered), axis=1)
    scores = np.where(broken[:, None], 0, answered).astype(np.float64)
    shares = _probabilities(scores)
    if scores.shape[1] == 1:
        scores = shares
    count, classes = shares.shape
    right, rank = np.zeros(count, np.bool_), np.full(count, classes / 2)
    if labels.max() < classes:
        right = top_k_hits(scores, labels, 1) & ~broken
        own = np.take_along_axis(scores, labels[:, None], axis=1)
        rank = (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
        rank[broken] = classes
    most = np.log(min(count, classes)) or 1.0
    information = (_entropy(shares.mean(axis=0)) - _entropy(shares).mean()) / most
    return Answers(scores.argmax(axis=1), right, rank, classes, float(information))


def _probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of probabilities themselves, of logits, or of one sigmoid unit or its logit; [n, classes]."""
    if scores.shape[1] == 1:
        if scores.min() < -0.05 or scores.max() > 1.05:
            scores = 1 / (1 + np.exp(-np.clip(scores, -50, 50)))
        return np.concatenate([1 - scores, scores], axis=1)
    total = scores.sum(axis=1, keepdims=True)
    # An int8 model's probabilities of many classes are rounded to 0 and do not add up to 1.
    if scores.min() > -0.01 and scores.max() < 1.1 and total.min() > 0.3 and total.max() < 1.7:
        clipped: NDArray[np.float64] = np.clip(scores, 0, None) / total
        return clipped
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    entropy: NDArray[np.float64] = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=-1)
    return entropy
