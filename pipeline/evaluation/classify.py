"""Accuracy of classifiers on the same streamed images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError, did_you_mean
from pipeline.evaluation.statistics import Difference, agreement, paired_difference, top_k_hits, wilson_interval
from pipeline.progress import Track, quiet
from pipeline.tensors import Batch
from pipeline.tflite.runner import Runner


@dataclass(frozen=True)
class Evaluation:
    """What one model scored. Shares are fractions, 0..1."""

    top1: float
    top5: float | None
    """None where there are at most 5 classes."""
    n: int
    size_bytes: int
    interval: tuple[float, float]
    """95 % interval of top1 (Wilson)."""
    agreement: float | None
    """Share of examples predicted as the reference predicts them; None without a reference."""
    difference: Difference | None
    """top1 minus the reference's, paired over the examples (Tango); None without a reference."""
    predicted: NDArray[np.int64] = field(repr=False, compare=False)
    """Classes, [n]; not part of the JSON."""

    def to_json(self) -> dict[str, Any]:
        return {
            "top1": self.top1,
            "top5": self.top5,
            "n": self.n,
            "agreement": self.agreement,
            "size_bytes": self.size_bytes,
            "top1_interval": list(self.interval),
            "difference": self.difference.to_json() if self.difference else None,
        }


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model answered to n examples."""

    predicted: NDArray[np.int64]
    """Classes, [n]."""
    right: NDArray[np.bool_]
    """[n]."""
    classes: int


def answer(
    model: Path, batches: Iterable[Batch], *, threads: int = 2, batch_size: int = 8, track: Track = quiet
) -> Answers:
    """Ask one .tflite classifier, to compare it later with others that are not written yet.

    Arguments and errors are those of `evaluate_many`.
    """
    scorer = _Scorer(model, _open(model, threads, batch_size, xnnpack=True))
    for batch in track(batches, "evaluate"):
        examples, labels = batch.x, batch.y
        scorer.add(np.asarray(examples, np.float32), np.asarray(labels))
    return scorer.answers()


def evaluate(
    model: Path,
    batches: Iterable[Batch],
    *,
    reference: Path | None = None,
    threads: int = 2,
    batch_size: int = 8,
    track: Track = quiet,
    xnnpack: bool = True,
) -> Evaluation:
    """Accuracy of a .tflite classifier, alone or against a reference model on the same examples.

    Arguments and errors are those of `evaluate_many`.
    """
    models = {"model": model} if reference is None else {"model": model, "reference": reference}
    results = evaluate_many(
        models,
        batches,
        None if reference is None else "reference",
        threads=threads,
        batch_size=batch_size,
        track=track,
        xnnpack=xnnpack,
    )
    return results["model"]


def evaluate_many(
    models: Mapping[str, Path],
    batches: Iterable[Batch],
    reference: str | None = None,
    *,
    threads: int = 2,
    batch_size: int = 8,
    track: Track = quiet,
    xnnpack: bool = True,
) -> dict[str, Evaluation]:
    """Accuracy of several .tflite classifiers in one pass over the data.

    A classifier gives scores [B, C], logits or probabilities, or [B, 1] from one sigmoid unit: the
    probability of class 1 of two.

    Args:
        models: Files by name.
        batches: The examples; taken once, one batch at a time, never all in memory.
        reference: The name of the model that the others are compared with. It is not compared with itself.
        threads: CPU threads of each model.
        batch_size: Examples in one call of the runtime; a model that fixes its batch runs with its own.
        track: Follows the batches.
        xnnpack: As for `Runner`.

    Returns:
        The results under the models' names, in their order.

    Raises:
        InputError: a file that is no model, no examples, examples of a shape that the model does not take,
            labels outside its classes, outputs that are no scores, or models of different numbers of classes.
        PipelineError: a model gives NaN.
    """
    if reference is not None and reference not in models:
        raise InputError(f"The reference '{reference}' is not among the models.{did_you_mean(reference, models)}")
    scorers = {name: _Scorer(path, _open(path, threads, batch_size, xnnpack)) for name, path in models.items()}
    for batch in track(batches, "evaluate"):
        examples, labels = batch.x, batch.y
        if np.shape(labels) != np.shape(examples)[:1]:
            raise InputError(
                f"A batch holds one label for each example; this one holds examples {np.shape(examples)} and "
                f"labels {np.shape(labels)}."
            )
        for scorer in scorers.values():
            scorer.add(np.asarray(examples, np.float32), np.asarray(labels))
    if len({scorer.classes for scorer in scorers.values()}) > 1:
        counts = ", ".join(f"{scorer.path}: {scorer.classes}" for scorer in scorers.values())
        raise InputError(f"Only models of the same classes can be compared; these have {counts}.")
    against = None if reference is None else scorers[reference]
    return {name: scorer.result(None if scorer is against else against) for name, scorer in scorers.items()}


def class_scores(scores: NDArray[np.float32], examples: int, model: Path | str) -> NDArray[np.float32]:
    """What a classifier gave for some examples, checked, as one score for each class: float32 [B, C].

    Raises:
        InputError: the outputs are no scores.
        PipelineError: they hold NaN.
    """
    if np.isnan(scores).any():
        raise PipelineError(
            f"The model {model} gives NaN for {int(np.isnan(scores).any(axis=-1).sum())} of "
            f"{len(scores)} examples of a batch. Its weights or the data's preprocessing are broken."
        )
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise InputError(
            f"The model {model} gives {list(scores.shape)} for {examples} examples; "
            "a classifier gives [batch, classes]."
        )
    if scores.shape[1] > 1:
        return scores
    # A quantized sigmoid may pass 0 or 1 by a step of its scale; a logit goes far beyond.
    if scores.min() < -0.05 or scores.max() > 1.05:
        raise InputError(
            f"The model {model} ends in one unit with values from {scores.min():.3g} to "
            f"{scores.max():.3g}; one unit must be a sigmoid's probability, 0 to 1."
        )
    return np.concatenate([1 - scores, scores], axis=1)


def check_labels(labels: NDArray[Any], classes: int, model: Path | str) -> None:
    """
    Raises:
        InputError: labels that are none of the model's classes.
    """
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"The model {model} knows the classes 0 to {classes - 1}; the labels hold "
            f"{labels.min()} to {labels.max()} ({labels.dtype}). The data's classes must be the model's."
        )


class _Scorer:
    """One model's answers so far: a few bytes an example."""

    def __init__(self, path: Path, runner: Runner) -> None:
        self.path = path
        self.classes = 0
        self._runner = runner
        self._predicted: list[NDArray[np.int64]] = []
        self._right: list[NDArray[np.bool_]] = []
        self._top5 = 0

    def add(self, examples: NDArray[np.float32], labels: NDArray[Any]) -> None:
        if len(examples) == 0:
            return
        scores = self._scores(examples)
        self.classes = scores.shape[1]
        check_labels(labels, self.classes, self.path)
        self._predicted.append(np.argmax(scores, axis=1))
        self._right.append(top_k_hits(scores, labels, 1))
        self._top5 += int(top_k_hits(scores, labels, 5).sum())

    def _scores(self, examples: NDArray[np.float32]) -> NDArray[np.float32]:
        return class_scores(self._runner.predict(examples), len(examples), self.path)

    def answers(self) -> Answers:
        if not self._right:
            raise InputError("There are no examples to evaluate on. Look at the data's splits.")
        return Answers(np.concatenate(self._predicted), np.concatenate(self._right), self.classes)

    def result(self, reference: _Scorer | None) -> Evaluation:
        own = self.answers()
        right, n = own.right, len(own.right)
        agreed, difference = None, None
        if reference is not None:
            other = reference.answers()
            agreed = agreement(own.predicted, other.predicted)
            difference = paired_difference(right, other.right)
        return Evaluation(
            top1=int(right.sum()) / n,
            top5=self._top5 / n if self.classes > 5 else None,
            n=n,
            size_bytes=self.path.stat().st_size,
            interval=wilson_interval(int(right.sum()), n),
            agreement=agreed,
            difference=difference,
            predicted=own.predicted,
        )


def _open(path: Path, threads: int, batch_size: int, xnnpack: bool) -> Runner:
    try:
        return Runner(path, threads=threads, batch=batch_size, xnnpack=xnnpack)
    except InputError:
        # Where the graph fixes the batch, its own batch gives the same answers, only slower. Any other fault
        # is raised again from here.
        if batch_size < 1:
            raise
        return Runner(path, threads=threads, xnnpack=xnnpack)
