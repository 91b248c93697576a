"""Any number of classes at once for each example: mean average precision and F1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import InputError
from pipeline.tasks.class_scores import Scores
from pipeline.tasks.single_output import (
    SingleOutputTask,
    check_count,
    check_numbers,
    same_shape,
    without_ones,
)
from pipeline.tasks.task import Metric
from pipeline.tensors import Tensors, TensorSpec, show_shape

MAP = Metric("map", "mAP", "%")
F1 = Metric("f1", "F1", "%")


@dataclass(frozen=True, kw_only=True)
class Multilabel(SingleOutputTask):
    """A score for each class, [B, C], each a probability of its own; targets multi-hot, [B, C] of 0 and 1.

    - `map`: the mean over classes of the average precision, Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct scores as thresholds;
      equal scores are one threshold, which matters in int8. Classes without an example do not count.
    - `f1`: 2 · TP / (2 · TP + FP + FN) over all decisions (micro-averaged), at the threshold.

    Example:
        >>> task = Multilabel(output=TensorSpec("y", (-1, 1), np.dtype(np.float32)), target="tags", scores="sigmoid")
        >>> scores, tags = np.array([[0.9], [0.8], [0.7]]), np.array([[1], [0], [1]])
        >>> found = task.reduce(task.statistics({"y": scores}, {"tags": tags}))  # (1 + 2/3) / 2, and 2 · 2 / (4 + 1)
        >>> round(found["map"], 4), found["f1"]
        (0.8333, 0.8)
    """

    name = "multilabel"
    scores: Scores = "logits"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """A probability; a class counts as answered above it."""

    losses_known = ("binary_crossentropy",)

    def _metrics(self) -> tuple[Metric, ...]:
        return MAP, F1

    @property
    def _limit(self) -> float:
        """The threshold in the output's own terms."""
        return float(np.log(self.threshold / (1 - self.threshold))) if self.scores == "logits" else self.threshold

    def _check_output(self, output: TensorSpec) -> None:
        if self.scores == "softmax":
            raise InputError(
                f"The model's output '{output.name}' ends in a softmax, whose probabilities add up to 1: it names one "
                "class for each example. Several at once need a sigmoid; one class is the task classification."
            )
        if len(output.shape) < 2:
            raise InputError(
                f"Multilabel reads scores [batch, classes], and the model's output '{output.name}' is "
                f"{show_shape(output.shape)}. Name the output that holds them, or another task."
            )

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if not same_shape(without_ones(target.shape[1:]), without_ones(output.shape[1:])):
            raise InputError(
                f"Multilabel takes a 0 or 1 for each class, {show_shape(output.shape)}, and the target "
                f"'{target.name}' is {target.dtype} {show_shape(target.shape)}. Store the labels as multi-hot rows."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float32]:
        """[B, 2, C]: the scores, and the targets as 0 and 1."""
        values = self._read(outputs)
        check_numbers(values, self.output.name)
        scores = values.reshape(len(values), -1)
        return np.stack([scores, self._multi_hot(targets, len(scores), scores.shape[1])], axis=1).astype(np.float32)

    def _multi_hot(self, targets: Tensors, examples: int, classes: int) -> NDArray[np.float32]:
        given = self._read_target(targets)
        check_count(given, examples, f"'{self.target}'")
        flat = given.reshape(len(given), -1)
        if flat.shape[1] != classes:
            raise InputError(
                f"The target '{self.target}' holds {flat.shape[1]} classes, and the model gives {classes}."
            )
        if not np.isin(flat, (0, 1)).all():
            raise InputError(
                f"The target '{self.target}' holds values from {flat.min():g} to {flat.max():g}; multilabel takes 0 "
                "and 1. Values are the task regression."
            )
        return flat.astype(np.float32)

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        scores, wanted = statistics[:, 0], statistics[:, 1] > 0
        given = scores > np.float32(self._limit)
        right = np.count_nonzero(given & wanted)
        said, there = np.count_nonzero(given), np.count_nonzero(wanted)
        f1 = 2 * float(right) / float(said + there) if said + there else float("nan")
        return {"map": self._mean_precision(statistics)(np.ones(len(statistics), np.int64)), "f1": f1}

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        return self._mean_precision(statistics) if self.metrics[0] == MAP else super().resampling(statistics)

    def _mean_precision(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        """Of samples; sorted once for all of them."""
        ranked = [Ranking.of(statistics[:, 0, c], statistics[:, 1, c] > 0) for c in range(statistics.shape[2])]

        def mean(counts: NDArray[np.int64]) -> float:
            found = np.array([ranking.average_precision(counts) for ranking in ranked])
            known = found[~np.isnan(found)]
            return float(known.mean()) if len(known) else float("nan")

        return mean

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """The share of classes on which both decide the same, yes or no."""
        first, second = (self._read(outputs) for outputs in (reference, other))
        same = ((first > self._limit) == (second > self._limit)) & ~np.isnan(first) & ~np.isnan(second)
        shares: NDArray[np.float64] = same.reshape(len(same), -1).mean(axis=1, dtype=np.float64)
        return shares

    def before_activation(self) -> Multilabel:
        return replace(self, scores="logits")

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        given = self._read_target(targets)
        multi_hot = self._multi_hot(targets, len(given), int(np.prod(given.shape[1:])))
        return {self.output.name: multi_hot.reshape(len(given), *self.output.shape[1:])}


@dataclass(frozen=True, eq=False)
class Ranking:
    """One class's examples from the highest score to the lowest."""

    order: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    """In this order."""
    ends: NDArray[np.int64]
    """The last place of each run of equal scores."""

    @classmethod
    def of(cls, scores: NDArray[Any], wanted: NDArray[np.bool_]) -> Ranking:
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        return cls(order, wanted[order], np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1))

    def average_precision(self, counts: NDArray[np.int64]) -> float:
        """Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct scores, each example as often as it counts; NaN where none is wanted."""
        counted = counts[self.order]
        hits, said = np.cumsum(counted * self.wanted)[self.ends], np.cumsum(counted)[self.ends]
        if not hits[-1]:
            return float("nan")
        return float(np.sum(np.diff(hits, prepend=0) * hits / np.maximum(said, 1)) / hits[-1])
