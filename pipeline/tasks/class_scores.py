"""From a classifier's output to classes, the one way for every task: a softmax, logits, or one unit for two classes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Scores = Literal["softmax", "sigmoid", "logits"]
"""What an output of scores is: probabilities that add up to 1, a probability each, or what comes before either."""


def class_scores(scores: NDArray[Any], kind: Scores) -> NDArray[Any]:
    """One score for each class, [B, C]; one unit becomes the scores of two classes.

    Args:
        scores: [B, C] or [B, 1]; dimensions of 1 in between do not count.
        kind: A single unit says class 1 of two above 0.5 where it is a sigmoid, above 0 where it is a logit.

    Example:
        >>> class_scores(np.array([[0.25]]), "sigmoid")
        array([[0.75, 0.25]])
        >>> class_scores(np.array([[0.25]]), "logits")
        array([[0.  , 0.25]])
    """
    flat = scores.reshape(len(scores), -1)
    if flat.shape[1] != 1:
        return flat
    return np.concatenate([np.zeros_like(flat) if kind == "logits" else 1 - flat, flat], axis=1)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """exp(x) / Σ exp(x) over the last axis, in the type of the logits."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[Any] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def activated(values: NDArray[Any], ending: Literal["softmax", "sigmoid", "none"]) -> NDArray[Any]:
    """Outputs that come without their last operator, as they are with it."""
    if ending == "softmax":
        return softmax(values)
    if ending == "sigmoid":
        sigmoid: NDArray[Any] = 0.5 * (1 + np.tanh(values / 2))
        return sigmoid
    return values


def top_k_hits(scores: NDArray[Any], labels: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Whether each example's label is among its k highest scores.

    Equal scores, which int8 outputs have often, rank in class order, so that k = 1 is `argmax`.

    Args:
        scores: real [B, C], higher is likelier; no NaN.
        labels: integer [B], 0..C−1.

    Returns:
        bool [B].
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & earlier)
    hits: NDArray[np.bool_] = ahead.sum(axis=1) < k
    return hits


def same_class(reference: NDArray[Any], other: NDArray[Any], kind: Scores) -> NDArray[np.float64]:
    """1 where both name the same class, else 0, [B]; NaN names none."""
    first, second = class_scores(reference, kind), class_scores(other, kind)
    broken = np.isnan(first).any(axis=1) | np.isnan(second).any(axis=1)
    same: NDArray[np.float64] = ((first.argmax(axis=1) == second.argmax(axis=1)) & ~broken).astype(np.float64)
    return same
