"""One class of several for each example: top-1 and top-5 accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tasks.class_scores import Scores, class_scores, same_class, softmax, top_k_hits
from pipeline.tasks.drawable import ClassAnswer, Drawable
from pipeline.tasks.single_output import SingleOutputTask, check_count, check_numbers, without_ones
from pipeline.tasks.task import LossName, Metric
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

TOP1 = Metric("top1", "top-1", "%")
TOP5 = Metric("top5", "top-5", "%")


@dataclass(frozen=True, kw_only=True)
class Classification(SingleOutputTask):
    """Scores [B, C], or [B, 1] from one unit that tells two classes apart; labels [B], or one-hot rows [B, C].

    Whether scores are probabilities or logits is read off the model's last operator, never off values: one sigmoid
    unit says class 1 above 0.5, one logit above 0. Equal scores rank in class order. With at most 5 classes there is
    no top5.

    Example:
        >>> task = Classification(output=TensorSpec("y", (-1, 2), np.dtype(np.float32)), target="label")
        >>> scores, labels = np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0])
        >>> task.reduce(task.statistics({"y": scores}, {"label": labels}))["top1"]
        0.5
    """

    name = "classification"
    scores: Scores = "logits"

    losses_known = ("categorical_crossentropy", "binary_crossentropy")

    def _metrics(self) -> tuple[Metric, ...]:
        return TOP1, TOP5

    @property
    def classes(self) -> int:
        """How many the output tells apart; `OPEN` where the model does not say."""
        sides = self.output.shape[1:]
        count = OPEN if OPEN in sides else int(np.prod(sides))
        return 2 if count == 1 else count

    def _check_output(self, output: TensorSpec) -> None:
        if len(output.shape) < 2 or len(without_ones(output.shape[1:])) > 1:
            raise InputError(
                f"Classification reads scores [batch, classes], and the model's output '{output.name}' is "
                f"{show_shape(output.shape)}. Say what the model is for with task: in the recipe, or which output "
                "holds the scores."
            )

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        shape = without_ones(target.shape[1:])
        one_hot = len(shape) == 1 and OPEN not in shape and shape[0] == self.classes
        if (shape and not one_hot) or (not shape and target.dtype.kind not in "iub"):
            raise InputError(
                f"Classification takes class numbers [batch] or one-hot rows [batch, {show_classes(self.classes)}], "
                f"and the target '{target.name}' is {target.dtype} {show_shape(target.shape)}. Name the target that "
                "holds the classes, or another task (regression for values)."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float32]:
        """[B, 2]: whether the label is the first, and among the first five (NaN with at most 5 classes)."""
        values = self._read(outputs)
        check_numbers(values, self.output.name)
        scores = class_scores(values, self.scores)
        labels = class_numbers(self._read_target(targets), len(scores), scores.shape[1], self.output.name)
        first = top_k_hits(scores, labels, 1).astype(np.float32)
        five = top_k_hits(scores, labels, 5) if scores.shape[1] > 5 else np.full(len(scores), np.nan)
        return np.stack([first, five.astype(np.float32)], axis=1)

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        first, five = statistics.mean(axis=0, dtype=np.float64)
        return {"top1": float(first), "top5": float(five)}

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        column = statistics[:, 1 if self.metric == "top5" else 0]
        return None if np.isnan(column).any() else column > 0

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """1 where both name the same class, else 0."""
        return same_class(self._read(reference), self._read(other), self.scores)

    def before_activation(self) -> Classification:
        return replace(self, scores="logits")

    def drawn_outputs(self, outputs: Tensors) -> list[Drawable]:
        scores = class_scores(self._read(outputs), self.scores)
        shares = softmax(scores) if self.scores == "logits" else scores
        return [ClassAnswer(int(row.argmax()), float(share.max())) for row, share in zip(scores, shares, strict=True)]

    def drawn_targets(self, targets: Tensors) -> list[Drawable]:
        given = self._read_target(targets)
        return [ClassAnswer(int(index)) for index in class_numbers(given, len(given), self.classes, self.output.name)]

    @property
    def losses(self) -> dict[str, LossName]:
        one_each = self.scores == "sigmoid" or self.output.shape[-1] == 1
        own: LossName = "binary_crossentropy" if one_each else "categorical_crossentropy"
        return {} if self.loss == "distillation" else {self.output.name: self.loss or own}

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        """One-hot rows in the output's shape; for one unit the class itself, [B, 1]."""
        given = self._read_target(targets)
        labels = class_numbers(given, len(given), self.classes, self.output.name)
        units = int(np.prod(self.output.shape[1:]))
        wanted = labels[:, None] if units == 1 else np.eye(self.classes)[labels]
        return {self.output.name: wanted.reshape(len(labels), *self.output.shape[1:]).astype(np.float32)}


def show_classes(count: int) -> str:
    """As messages show a number of classes."""
    return "classes" if count == OPEN else str(count)


def class_numbers(labels: NDArray[Any], examples: int, classes: int, output: str) -> NDArray[np.int64]:
    """Labels as class numbers, int64 [B].

    Args:
        labels: Whole numbers [B] or [B, 1], or one-hot rows [B, C].
        examples: How many there must be.
        classes: How many the model knows.
        output: The output that knows them, for the message.

    Raises:
        InputError: labels that are none of the model's classes, or not one for each example.
    """
    check_count(labels, examples, "the labels")
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] > 1:
        if flat.shape[1] != classes or not (np.isin(flat, (0, 1)).all() and (flat.sum(axis=1) == 1).all()):
            raise InputError(
                f"The labels hold rows of {flat.shape[1]} values that are not one-hot over the {classes} classes of "
                f"'{output}'. Give class numbers or a single 1 in each row; several classes at once are the task "
                "multilabel."
            )
        numbers: NDArray[np.int64] = flat.argmax(axis=1)
        return numbers
    own = flat[:, 0]
    if own.dtype.kind not in "iub" or (own.size and (own.min() < 0 or own.max() >= classes)):
        shown = f"{own.min():g} to {own.max():g} " if own.size and own.dtype.kind in "iubf" else ""
        raise InputError(
            f"The output '{output}' knows the classes 0 to {classes - 1}; the labels hold {shown}({own.dtype}). The "
            "data's classes must be the model's."
        )
    return own.astype(np.int64)
