"""Labels along time: read out of CTC scores, or one a step; judged by the label error rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tasks.single_output import Loss, SingleOutputTask, check_count, check_numbers
from pipeline.tasks.task import LossName, Metric
from pipeline.tensors import OPEN, Tensors, TensorSpec, show_shape

ERROR_RATE = Metric("label_error_rate", "label errors", "%", higher_is_better=False)
EXACT = Metric("exact", "all right", "%")
_ERRORS, _LABELS, _EXACT = range(3)


@dataclass(frozen=True, kw_only=True)
class LabelSequence(SingleOutputTask):
    """Scores of each step, [B, T, C], softmax or logits; labels [B, L], padded.

    - `decode: steps`: a label for each step (L = T). Padded steps do not count.
    - `decode: ctc`: the best class of each step, repeats and blanks left out (greedy decoding; A. Graves et al.,
      Connectionist temporal classification, ICML 2006), against the labels.

    `label_error_rate` is the number of wrong labels over all sequences (for CTC the edit distance: labels to change,
    add or leave out) per label; `exact` the share of sequences without an error.

    Example:
        >>> task = LabelSequence(output=TensorSpec("y", (-1, 4, 3), np.dtype(np.float32)), target="text", decode="ctc")
        >>> scores = np.eye(3)[[[0, 0, 2, 1]]]  # the last class is blank
        >>> task.reduce(task.statistics({"y": scores}, {"text": np.array([[0, 1, 1]])}))["label_error_rate"]
        0.3333333333333333
    """

    name = "sequence"
    decode: Literal["steps", "ctc"] = "steps"
    blank: int = -1
    """CTC's blank; the last class, as Keras has it, by default."""
    padding: int = -1
    """The label that stands for no label."""

    losses_known = ("categorical_crossentropy", "ctc")

    def _metrics(self) -> tuple[Metric, ...]:
        return ERROR_RATE, EXACT

    @property
    def losses(self) -> dict[str, LossName]:
        own: Loss = "ctc" if self.decode == "ctc" else "categorical_crossentropy"
        chosen = self.loss or own
        return {} if chosen == "distillation" else {self.output.name: chosen}

    @property
    def classes(self) -> int:
        """How many labels there are, CTC's blank among them."""
        return self.output.shape[-1]

    def _check_output(self, output: TensorSpec) -> None:
        if len(output.shape) != 3:
            raise InputError(
                f"A sequence is scores [batch, steps, classes], and the model's output '{output.name}' is "
                f"{show_shape(output.shape)}. Name the output that holds them, or another task."
            )

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if len(target.shape) != 2 or target.dtype.kind not in "iu":
            raise InputError(
                f"A sequence is judged by padded class numbers [batch, labels], and the target '{target.name}' is "
                f"{target.dtype} {show_shape(target.shape)}."
            )
        steps, labels = output.shape[1], target.shape[1]
        if self.decode == "steps" and OPEN not in (steps, labels) and steps != labels:
            raise InputError(
                f"The model's output '{output.name}' has {steps} steps, and the target '{target.name}' {labels} labels"
                ". A label for each step needs as many; labels without places are `decode: ctc`."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.int64]:
        """[B, 3]: wrong labels, labels, and whether there was no error."""
        scores = self._read(outputs)
        check_numbers(scores, self.output.name)
        labels = self._labels(targets, scores.shape[-1])
        check_count(labels, len(scores), "the labels")
        if self.decode == "ctc":
            said = self._decoded(scores)
            wanted = [row[row != self.padding] for row in labels]
            errors = np.array([edit_distance(one, two) for one, two in zip(said, wanted, strict=True)], np.int64)
        else:
            if labels.shape[1] != scores.shape[1]:
                raise InputError(
                    f"The model's output '{self.output.name}' has {scores.shape[1]} steps, and a batch holds labels "
                    f"for {labels.shape[1]}."
                )
            errors = ((scores.argmax(axis=-1) != labels) & (labels != self.padding)).sum(axis=1)
        counts = (labels != self.padding).sum(axis=1)
        return np.stack([errors, counts, errors == 0], axis=1).astype(np.int64)

    def _labels(self, targets: Tensors, classes: int) -> NDArray[Any]:
        labels = self._read_target(targets)
        if labels.ndim != 2 or labels.dtype.kind not in "iu":
            raise InputError(
                f"The target '{self.target}' holds {labels.dtype} {show_shape(labels.shape)}; a sequence is judged by "
                "padded class numbers [batch, labels]."
            )
        known = labels[labels != self.padding]
        blank = self.blank % classes if self.decode == "ctc" else -1
        if known.size and (known.min() < 0 or known.max() >= classes or (known == blank).any()):
            besides = f" but {blank}, which is CTC's blank" if self.decode == "ctc" else ""
            raise InputError(
                f"The output '{self.output.name}' knows the labels 0 to {classes - 1}{besides}; the target "
                f"'{self.target}' holds {known.min()} to {known.max()}, the padding {self.padding} aside."
            )
        return labels

    def _decoded(self, scores: NDArray[Any]) -> list[NDArray[np.int64]]:
        return greedy_decode(scores, self.blank % scores.shape[-1])

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        errors, labels, exact = statistics.sum(axis=0)
        rate = float(errors / labels) if labels else float("nan")
        return {"label_error_rate": rate, "exact": float(exact / len(statistics))}

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        return statistics[:, _EXACT] > 0 if self.metric == "exact" else None

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """For CTC 1 − edit distance / length of the longer reading; else the share of steps with the same label."""
        first, second = self._read(reference), self._read(other)
        if self.decode == "steps":
            same = (first.argmax(axis=-1) == second.argmax(axis=-1)) & ~np.isnan(first + second).any(axis=-1)
            shares: NDArray[np.float64] = same.mean(axis=1, dtype=np.float64)
            return shares
        broken = [np.isnan(one).any() or np.isnan(two).any() for one, two in zip(first, second, strict=True)]
        readings = zip(self._decoded(first), self._decoded(second), broken, strict=True)
        return np.array([0.0 if bad else _alike(one, two) for one, two, bad in readings])

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        """For CTC the labels, int32 padded with −1; else one-hot steps [B, T, C], zeros where padded."""
        labels = self._labels(targets, self.classes)
        padded = labels == self.padding
        if self.decode == "ctc":
            return {self.output.name: np.where(padded, -1, labels).astype(np.int32)}
        one_hot = np.eye(self.classes, dtype=np.float32)[np.where(padded, 0, labels)]
        return {self.output.name: one_hot * ~padded[..., None]}


def greedy_decode(scores: NDArray[Any], blank: int) -> list[NDArray[np.int64]]:
    """The best class of each step without repeats and blanks; of scores [B, T, C]."""
    best = scores.argmax(axis=-1)
    changes = np.ones(best.shape, bool)
    changes[:, 1:] = best[:, 1:] != best[:, :-1]
    return [row[kept] for row, kept in zip(best, changes & (best != blank), strict=True)]


def edit_distance(first: NDArray[Any], second: NDArray[Any]) -> int:
    """How many entries of one sequence must be changed, added or left out to get the other (Levenshtein)."""
    places = np.arange(len(second) + 1)
    row = places.copy()
    for count, entry in enumerate(first, start=1):
        changed_or_left_out = np.minimum(row[:-1] + (second != entry), row[1:] + 1)
        best = np.concatenate([[count], changed_or_left_out])
        # Adding: the best of all places to the left, plus one for each step to the right.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def _alike(first: NDArray[Any], second: NDArray[Any]) -> float:
    longer = max(len(first), len(second))
    return 1.0 - edit_distance(first, second) / longer if longer else 1.0
