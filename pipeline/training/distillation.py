"""Learn from a teacher's scores beside the labels.

G. Hinton, O. Vinyals, J. Dean, Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531.
A teacher's answer tells how near the other classes are, which the label does not: it pays where data is scarce. For QAT
the teacher is the float model itself (A. Mishra, D. Marr, Apprentice, 2017, https://arxiv.org/abs/1711.05852).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.models.backend import tf, tf_keras
from pipeline.models.head import number_of_classes

_SMALLEST = 1e-7
"""Probabilities are kept this far from 0, whose logarithm is none."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained float model, and how much its scores count.

    Targets carry both: the labels' one-hot columns, then the teacher's scores, [B, 2 · classes].
    """

    model: Any
    weight: float
    """Share of the loss; the labels have the rest."""
    temperature: float
    """What both sides' logits are divided by."""
    probabilities: bool
    """Whether the teacher ends in softmax or sigmoid."""

    def check(self, classes: int) -> None:
        """
        Raises:
            InputError: the teacher answers other classes.
        """
        own = number_of_classes(self.model)
        if own != classes:
            raise InputError(f"The teacher answers {own} classes and the model {classes}: they cannot be compared.")

    def targets(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The labels with the teacher's scores for the same examples beside them, float32 [B, 2 · classes]."""
        scores = self.model(x, training=False).numpy()
        return np.concatenate([labels, scores], axis=1).astype(np.float32)

    def loss(self, hard: Callable[[Any, Any], Any], classes: int, student_probabilities: bool) -> Callable[..., Any]:
        """A loss over such targets: (1 − weight) · hard + weight · T² · KL(teacher ‖ student), at temperature T."""

        def combined(targets: Any, found: Any) -> Any:
            labels, scores = targets[:, :classes], targets[:, classes:]
            teacher = _log_probabilities(scores, self.probabilities, self.temperature)
            student = _log_probabilities(found, student_probabilities, self.temperature)
            apart = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1) * self.temperature**2
            return (1 - self.weight) * hard(labels, found) + self.weight * apart

        return combined


def accuracy(classes: int) -> Callable[[Any, Any], Any]:
    """Keras's accuracy of the labels' columns alone, under its usual name."""
    metric = tf_keras.metrics.binary_accuracy if classes == 1 else tf_keras.metrics.categorical_accuracy

    def of_labels(targets: Any, found: Any) -> Any:
        return metric(targets[:, :classes], found)

    of_labels.__name__ = "accuracy"
    return of_labels


def _log_probabilities(scores: Any, are_probabilities: bool, temperature: float) -> Any:
    """Of every class, [B, classes]; one sigmoid unit becomes two classes."""
    if scores.shape[-1] == 1:
        logit = scores
        if are_probabilities:
            held = tf.clip_by_value(scores, _SMALLEST, 1 - _SMALLEST)
            logit = tf.math.log(held / (1 - held))
        return tf.nn.log_softmax(tf.concat([tf.zeros_like(logit), logit], axis=-1) / temperature)
    logits = tf.math.log(tf.maximum(scores, _SMALLEST)) if are_probabilities else scores
    return tf.nn.log_softmax(logits / temperature)
