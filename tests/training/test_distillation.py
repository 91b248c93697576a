"""Classes are compared by the paper's divergence, values by their error, and a student learns without labels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tensors import only
from tests.training.tasks import digits

TEACHER = np.float32([[2, 1, 0], [0, 0, 0]])
STUDENT = np.float32([[0, 1, 2], [0, 0, 0]])


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_divergence_is_hintons(probabilities: bool) -> None:
    from pipeline.training.distillation import divergence

    teacher, student = (softmax(TEACHER), softmax(STUDENT)) if probabilities else (TEACHER, STUDENT)
    ending = "softmax" if probabilities else "none"
    p, q = softmax(TEACHER / 2), softmax(STUDENT / 2)
    expected = 4 * (p * np.log(p / q)).sum(axis=1)
    found = divergence("classes", 2.0, ending, ending)(teacher, student)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_one_sigmoid_unit_is_two_classes_and_several_are_two_each() -> None:
    from pipeline.training.distillation import divergence

    loss = divergence("units", 1.0, "sigmoid", "sigmoid")
    first = 0.8 * np.log(1.6) + 0.2 * np.log(0.4)
    assert float(loss(np.float32([[0.8]]), np.float32([[0.5]]))[0]) == pytest.approx(first, rel=1e-3)
    assert float(loss(np.float32([[0.8, 0.5]]), np.float32([[0.5, 0.5]]))[0]) == pytest.approx(first / 2, rel=1e-3)


def test_values_are_compared_in_shares_of_the_teachers_variance() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.distillation import scaled_error, variances

    model = tf_keras.Sequential([tf_keras.Input((2,)), tf_keras.layers.Dense(2, name="y", use_bias=False)])
    model.layers[0].set_weights([np.float32([[3, 0], [0, 1]])])
    x = np.random.default_rng(0).normal(5, 1, (200, 2)).astype(np.float32)
    found = variances(model, [{"x": x[:128]}, {"x": x[128:]}])
    assert found == {"y": pytest.approx((x * [3, 1]).var(axis=0).mean(), rel=1e-4)}
    always_the_mean = np.broadcast_to((x * [3, 1]).mean(axis=0), x.shape).astype(np.float32)
    assert float(np.mean(scaled_error(found["y"])(x * np.float32([3, 1]), always_the_mean))) == pytest.approx(
        1, rel=1e-4
    )


def test_a_teacher_of_other_outputs_is_refused() -> None:
    from pipeline.training.distillation import Teacher
    from tests.tiny_keras import model, without_batch_norm

    teacher, other = without_batch_norm(), model()
    Teacher(teacher, 0.5, 2.0, {}).check(other)
    from pipeline.models.head import replace_head

    with pytest.raises(InputError, match=r"The teacher answers \[\?, 10\] and the model \[\?, 3\]"):
        Teacher(teacher, 0.5, 2.0, {}).check(replace_head(other, 3))


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
    x = only(next(iter(data.batches("test", 64))).inputs)

    def apart() -> float:
        return float(np.abs(student(x).numpy() - teacher(x).numpy()).mean())

    before = apart()
    how = recipe.Train(epochs=4, learning_rate=3e-3)
    history = fit(student, data, how, digits(student), teacher=Teacher(teacher, 1.0, 1.0, {}))
    assert apart() < 0.5 * before
    assert len(history.accuracy) == 4
