"""Targets carry labels and teacher; the loss is the paper's, and accuracy looks at the labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError

LABELS = np.float32([[1, 0, 0], [0, 0, 1]])
TEACHER = np.float32([[2, 1, 0], [0, 0, 0]])
STUDENT = np.float32([[0, 1, 2], [0, 0, 0]])


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("weight", [0.25, 1.0])
@pytest.mark.parametrize("probabilities", [False, True])
def test_the_loss_is_hintons(weight: float, probabilities: bool) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.distillation import Teacher

    hard = tf_keras.losses.CategoricalCrossentropy(from_logits=not probabilities, reduction="none")
    given = (softmax(TEACHER), softmax(STUDENT)) if probabilities else (TEACHER, STUDENT)
    loss = Teacher(None, weight, 2.0, probabilities).loss(hard, 3, probabilities)
    found = loss(np.concatenate([LABELS, given[0]], axis=1), given[1])

    p, q = softmax(TEACHER / 2), softmax(STUDENT / 2)
    apart = (p * np.log(p / q)).sum(axis=1)
    cross = -np.log(softmax(STUDENT)[LABELS.astype(bool)])
    np.testing.assert_allclose(found, (1 - weight) * cross + weight * 4 * apart, rtol=1e-4, atol=1e-5)


def test_one_sigmoid_unit_is_two_classes() -> None:
    from pipeline.training.distillation import Teacher

    loss = Teacher(None, 1.0, 1.0, True).loss(lambda labels, found: 0.0, 1, True)
    found = loss(np.float32([[1, 0.8]]), np.float32([[0.5]]))
    assert float(found[0]) == pytest.approx(0.8 * np.log(1.6) + 0.2 * np.log(0.4), rel=1e-3)


def test_accuracy_looks_at_the_labels_alone() -> None:
    from pipeline.training.distillation import accuracy

    metric = accuracy(3)
    assert metric.__name__ == "accuracy"
    np.testing.assert_array_equal(metric(np.concatenate([LABELS, TEACHER], axis=1), softmax(LABELS)), [1, 1])


def test_a_teacher_of_other_classes_is_refused() -> None:
    from pipeline.training.distillation import Teacher
    from tests.tiny_keras import model

    with pytest.raises(InputError, match="10 classes and the model 3"):
        Teacher(model(), 0.5, 2.0, True).check(3)


def test_a_student_comes_nearer_to_its_teacher_without_labels() -> None:
    """With the teacher's share at 1 the labels do not count: random ones do no harm."""
    from pipeline.data import load
    from pipeline.models.backend import tf_keras
    from pipeline.training.distillation import Teacher
    from pipeline.training.fit import fit
    from tests.tiny_keras import without_batch_norm

    teacher = without_batch_norm()
    student = tf_keras.models.clone_model(teacher)
    data = load(recipe.Data(source="digits", preprocess={"scale": "0..1"}, limit=200))  # type: ignore[arg-type]
    x = next(iter(data.batches("test", 64))).x

    def apart() -> float:
        return float(np.abs(student(x).numpy() - teacher(x).numpy()).mean())

    before = apart()
    how = recipe.Train(epochs=4, learning_rate=3e-3)
    history = fit(student, data, how, teacher=Teacher(teacher, 1.0, 1.0, True))
    assert apart() < 0.5 * before
    assert len(history.accuracy) == 4
