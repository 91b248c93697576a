from __future__ import annotations

import numpy as np
import pytest

from pipeline.tasks.class_scores import class_scores, same_class, softmax, top_k_hits


def test_softmax_is_over_the_last_axis_and_bears_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.log([[1.0, 3.0], [2.0, 2.0]])), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_array_equal(softmax(np.array([1000.0, 0.0])), [1, 0])


def test_top_k_hits() -> None:
    scores = np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4], [0.1, 0.5, 0.4]])
    labels = np.array([1, 2, 0])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 1), [True, False, False])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 2), [True, True, False])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 3), [True, True, True])


def test_equal_scores_rank_in_class_order() -> None:
    scores = np.zeros((4, 4))
    np.testing.assert_array_equal(top_k_hits(scores, np.arange(4), 1), [True, False, False, False])
    np.testing.assert_array_equal(top_k_hits(scores, np.arange(4), 3), [True, True, True, False])


def test_equal_scores_rank_as_argmax_and_a_stable_sort_do() -> None:
    scores = np.random.default_rng(0).integers(0, 3, (500, 7))
    labels = np.random.default_rng(1).integers(0, 7, 500)
    np.testing.assert_array_equal(top_k_hits(scores, labels, 1), scores.argmax(axis=1) == labels)
    first_three = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(top_k_hits(scores, labels, 3), (first_three == labels[:, None]).any(axis=1))


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("sigmoid", 0.5, 0),
        ("sigmoid", 0.5001, 1),
        ("sigmoid", 0.2, 0),
        ("logits", 0.0, 0),
        ("logits", 0.2, 1),
        ("logits", -0.2, 0),
        ("logits", 0.6, 1),
    ],
)
def test_one_unit_decides_at_one_half_or_at_zero(kind: str, value: float, said: int) -> None:
    scores = class_scores(np.array([[value]], np.float32), kind)  # type: ignore[arg-type]
    assert scores.shape == (1, 2)
    assert scores.argmax() == said


def test_dimensions_of_one_do_not_count() -> None:
    scores = np.arange(6.0).reshape(2, 1, 1, 3)
    np.testing.assert_array_equal(class_scores(scores, "softmax"), scores.reshape(2, 3))


def test_the_same_class_is_1_another_0_and_nan_is_none() -> None:
    one = np.array([[1.0, 2], [1, 2], [np.nan, 2], [1, 2]])
    two = np.array([[0.0, 9], [9, 0], [0, 9], [0, np.nan]])
    np.testing.assert_array_equal(same_class(one, two, "logits"), [1, 0, 0, 0])
