"""Learn from a teacher's outputs beside the targets, or without any.

G. Hinton, O. Vinyals, J. Dean, Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531.
A teacher's answer tells how near the other classes are, which the label does not: it pays where data is scarce. For QAT
the teacher is the float model itself (A. Mishra, D. Marr, Apprentice, 2017, https://arxiv.org/abs/1711.05852), which
needs no labels at all.

Outputs that are classes are compared by their probabilities, all others by their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.models.backend import tf
from pipeline.models.keras_signature import endings_of, signature_of
from pipeline.recipe import LossName
from pipeline.tensors import Array, Tensors, show_shape
from pipeline.tflite.endings import Ending
from pipeline.training.feeding import as_called
from pipeline.training.losses import SMALLEST, Loss

Kind = Literal["classes", "units", "values"]
"""How an output is compared: one distribution over the last axis; one of yes and no for each unit; the values."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained float model, and how much its outputs count."""

    model: Any
    weight: float
    """Share of the loss of outputs that have one of their own; the targets have the rest."""
    temperature: float
    """What both sides' logits are divided by."""
    variances: Mapping[str, float]
    """Of its outputs that are compared by value (:func:`variances`), by its output names."""

    def check(self, student: Any) -> None:
        """
        Raises:
            InputError: the outputs differ in number or shape.
        """
        own, others = (signature_of(model).outputs for model in (self.model, student))
        if [spec.shape for spec in own] != [spec.shape for spec in others]:
            listed = (", ".join(show_shape(spec.shape) for spec in specs) for specs in (own, others))
            raise InputError(
                f"The teacher answers {next(listed)} and the model {next(listed)}: they cannot be compared."
            )

    def outputs(self, inputs: Tensors) -> list[Array]:
        """Its answers to a batch, in the order of its outputs."""
        answers = self.model(as_called(self.model, inputs), training=False)
        return [np.asarray(answer) for answer in tf.nest.flatten(answers)]

    def losses(self, student: Any, names: Mapping[str, LossName]) -> dict[str, Loss]:
        """What compares the outputs of teacher and student, by the student's output names.

        Args:
            student: A model with the same outputs in the same order.
            names: The losses that its outputs have otherwise.
        """
        own, others = endings_of(self.model), endings_of(student)
        found: dict[str, Loss] = {}
        for theirs, name in zip(self.model.output_names, student.output_names, strict=True):
            kind = kind_of(names.get(name), own[theirs])
            if kind == "values":
                found[name] = scaled_error(self.variances[theirs])
            else:
                found[name] = divergence(kind, self.temperature, own[theirs], others[name])
        return found


def kind_of(loss: LossName | None, ending: Ending) -> Kind:
    """How an output is compared, by the loss it has otherwise; by how the model ends where it has none."""
    if loss in ("categorical_crossentropy", "ctc"):
        return "classes"
    if loss in ("binary_crossentropy", "focal", "heatmap_focal"):
        return "units"
    if loss in ("dice", "dice_crossentropy"):
        return "units" if ending == "sigmoid" else "classes"
    if loss in (None, "as_compiled") and ending != "none":
        return "classes" if ending == "softmax" else "units"
    return "values"


def variances(model: Any, batches: Iterable[Tensors]) -> dict[str, float]:
    """The variance of each output, about the mean of its channel (the last axis), by output name.

    Args:
        model: A built `tf_keras` model.
        batches: Inputs by name; at least one batch.
    """
    count, sums, squares = 0.0, [0.0] * len(model.outputs), [0.0] * len(model.outputs)
    for batch in batches:
        answers = tf.nest.flatten(model(as_called(model, batch), training=False))
        flat = [np.asarray(answer, np.float64).reshape(len(answer), -1, answer.shape[-1] or 1) for answer in answers]
        count += len(flat[0])
        sums = [total + values.mean(axis=1).sum(axis=0) for total, values in zip(sums, flat, strict=True)]
        squares = [total + (values**2).mean(axis=1).sum(axis=0) for total, values in zip(squares, flat, strict=True)]
    found = [float(np.mean(square / count - (total / count) ** 2)) for total, square in zip(sums, squares, strict=True)]
    # An output that never changes has none; its error counts as it is then.
    return {name: value if value > SMALLEST else 1.0 for name, value in zip(model.output_names, found, strict=True)}


def divergence(kind: Kind, temperature: float, teacher: Ending, student: Ending) -> Loss:
    """T² · KL(teacher ‖ student) at temperature T, of outputs [B, …, C]: [B, …]."""

    def apart(scores: Any, found: Any) -> Any:
        expected = _log_probabilities(scores, kind, teacher, temperature)
        answered = _log_probabilities(found, kind, student, temperature)
        difference = tf.reduce_sum(tf.exp(expected) * (expected - answered), axis=-1) * temperature**2
        return tf.reduce_mean(difference, axis=-1) if kind == "units" else difference

    return apart


def scaled_error(variance: float) -> Loss:
    """The squared error in shares of the teacher's variance: 1 for a student that always answers the mean."""

    def apart(expected: Any, found: Any) -> Any:
        return tf.reduce_mean(tf.math.squared_difference(found, expected), axis=-1) / variance

    return apart


def _log_probabilities(scores: Any, kind: Kind, ending: Ending, temperature: float) -> Any:
    """[B, …, C]; of units [B, …, C, 2]: no and yes."""
    if kind == "units":
        logit = scores
        if ending != "none":
            held = tf.clip_by_value(scores, SMALLEST, 1 - SMALLEST)
            logit = tf.math.log(held / (1 - held))
        return tf.nn.log_softmax(tf.stack([tf.zeros_like(logit), logit], axis=-1) / temperature)
    logits = scores if ending == "none" else tf.math.log(tf.maximum(scores, SMALLEST))
    return tf.nn.log_softmax(logits / temperature)
