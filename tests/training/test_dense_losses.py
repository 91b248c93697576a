"""The losses of detectors and segmenters are the formulas of their papers, and leave out what is ignored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def loss(name: Any, targets: Any, found: Any, ending: Any = "none", smoothing: float = 0.0) -> np.ndarray:
    from pipeline.models.backend import tf
    from pipeline.training.losses import of_name

    given = (tf.constant(values, tf.float32) for values in (targets, found))
    return np.asarray(of_name(name, ending, smoothing)(*given))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("ending", ["none", "sigmoid"])
def test_focal_weighs_what_is_missing_and_leaves_ignored_anchors_out(ending: str) -> None:
    logits = np.array([[[2.0, -1.0], [0.5, 0.0], [3.0, 3.0]], [[-2.0, -3.0], [1.0, 0.0], [0.0, 0.0]]])
    targets = np.array([[[1, 0], [0, 1], [-1, -1]], [[0, 0], [0, 0], [0, 0]]])
    shares = sigmoid(logits)
    hit, other = -0.25 * (1 - shares) ** 2 * np.log(shares), -0.75 * shares**2 * np.log(1 - shares)
    every = np.where(targets < 0, 0, np.where(targets == 1, hit, other)).sum(axis=(1, 2))
    expected = every / [2, 1]  # two anchors with an object; where there is none, the sum itself
    np.testing.assert_allclose(
        loss("focal", targets, shares if ending == "sigmoid" else logits, ending), expected, 1e-4
    )


@pytest.mark.parametrize("ending", ["none", "sigmoid"])
def test_a_heat_map_forgives_what_is_near_a_centre(ending: str) -> None:
    logits = np.array([[[[2.0], [1.0]], [[-1.0], [0.5]]]])
    targets = np.array([[[[1.0], [0.8]], [[0.0], [-1.0]]]])
    shares = sigmoid(logits).ravel()
    expected = (
        -((1 - shares[0]) ** 2) * np.log(shares[0])
        - (1 - 0.8) ** 4 * shares[1] ** 2 * np.log(1 - shares[1])
        - shares[2] ** 2 * np.log(1 - shares[2])
    )
    found = sigmoid(logits) if ending == "sigmoid" else logits
    np.testing.assert_allclose(loss("heatmap_focal", targets, found, ending), [expected], 1e-4)


def test_a_saturated_logit_still_has_a_finite_loss() -> None:
    for name in ("focal", "heatmap_focal"):
        for ending, found in (("none", [[[500.0], [-500.0]]]), ("sigmoid", [[[1.0], [0.0]]])):
            assert np.isfinite(loss(name, [[[0.0], [1.0]]], found, ending)).all()


def test_regression_counts_only_what_has_a_weight() -> None:
    targets = np.array([[[1.0, 2.0, 1], [5.0, 5.0, 0], [0.0, 0.0, 1]], [[9.0, 9.0, 0]] * 3])
    found = np.array([[[1.5, 4.0], [0.0, 0.0], [0.0, -3.0]], [[0.0, 0.0]] * 3])
    np.testing.assert_allclose(loss("masked_l1", targets, found), [(0.5 + 2 + 0 + 3) / 2, 0], 1e-5)
    np.testing.assert_allclose(loss("smooth_l1", targets, found), [(0.125 + 1.5 + 0 + 2.5) / 2, 0], 1e-5)


def test_without_a_weight_every_value_counts() -> None:
    np.testing.assert_allclose(loss("masked_l1", [[[1.0, 2.0], [0.0, 0.0]]], [[[2.0, 2.0], [0.0, 3.0]]]), [2.0], 1e-5)


def test_giou_is_that_of_the_decoded_boxes_whatever_the_anchor() -> None:
    rng = np.random.default_rng(0)
    wanted, found = rng.normal(0, 2, (1, 6, 4)), rng.normal(0, 2, (1, 6, 4))
    weights = np.array([1, 1, 0, 1, 0, 1.0])
    anchors = rng.uniform(0.1, 0.6, (6, 4))

    def corners(encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centre = encoded[:, :2] * 0.1 * anchors[:, 2:] + anchors[:, :2]
        sides = np.exp(encoded[:, 2:] * 0.2) * anchors[:, 2:]
        return centre - sides / 2, centre + sides / 2

    (a, b), (c, d) = corners(found[0]), corners(wanted[0])
    common = np.prod(np.maximum(np.minimum(b, d) - np.maximum(a, c), 0), axis=1)
    union = np.prod(b - a, axis=1) + np.prod(d - c, axis=1) - common
    around = np.prod(np.maximum(b, d) - np.minimum(a, c), axis=1)
    every = 1 - (common / union - (around - union) / around)
    targets = np.concatenate([wanted, weights[None, :, None]], axis=-1)
    np.testing.assert_allclose(loss("giou", targets, found), [(every * weights).sum() / 4], 1e-4)


def test_giou_of_distances_from_a_point() -> None:
    from pipeline.models.backend import tf
    from pipeline.training import dense_losses

    wanted, found = tf.constant([[[1.0, 1, 1, 1, 1]]]), tf.constant([[[1.0, 1, 3, 1]]])  # 2x2 in 4x2
    assert dense_losses.giou(wanted, found, dense_losses.about_points).numpy() == pytest.approx([0.5], abs=1e-5)


def test_giou_needs_a_detectors_boxes() -> None:
    from pipeline.errors import InputError
    from pipeline.tasks.regression import Regression
    from pipeline.tensors import TensorSpec
    from pipeline.training.losses import corners_of

    task = Regression(output=TensorSpec("y", (-1, 4), np.dtype(np.float32)))
    with pytest.raises(InputError, match="none of those"):
        corners_of(task, "y")


def test_targets_between_0_and_1_are_met_where_they_are() -> None:
    values = [[[0.3], [0.8]]]
    assert loss("focal", values, values, "sigmoid") == pytest.approx([0], abs=1e-6)
    assert loss("focal", values, [[[0.5], [0.5]]], "sigmoid") > 1e-3


def test_boxes_without_an_object_give_giou_no_gradient() -> None:
    from pipeline.models.backend import tf
    from pipeline.training.losses import of_name

    found = tf.Variable([[[0.1, 0.2, 0.0, 0.3], [0.5, 900.0, -900.0, 900.0]]])
    targets = tf.constant([[[0.0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]])
    with tf.GradientTape() as tape:
        value = of_name("giou", "none")(targets, found)
    gradient = np.asarray(tape.gradient(value, found))
    assert np.isfinite(gradient).all()
    assert gradient[0, 0].any()
    assert not gradient[0, 1].any()


@pytest.mark.parametrize("ending", ["none", "softmax"])
def test_ignored_pixels_change_nothing(ending: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 4, 4, 3))
    targets = np.eye(3)[rng.integers(0, 3, (1, 4, 4))]
    targets[0, :2] = 0  # ignored
    other = logits.copy()
    other[0, :2] = rng.normal(size=(2, 4, 3))
    for name in ("dice", "dice_crossentropy"):
        one, two = (
            loss(name, targets, softmax(given) if ending == "softmax" else given, ending) for given in (logits, other)
        )
        np.testing.assert_allclose(one, two, 1e-5)
        assert one[0] > 0.1


def test_dice_is_twice_what_is_common_in_shares_of_both_for_the_classes_that_are_there() -> None:
    logits = np.array([[[[2.0, 0.0, 1.0], [0.0, 1.0, 3.0], [0.5, 0.0, 0.0]]]])
    targets = np.array([[[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]])
    shares = softmax(logits)[0, 0]
    first = 2 * shares[:2, 0].sum() / (shares[:, 0].sum() + 2)
    second = 2 * shares[2, 1] / (shares[:, 1].sum() + 1)
    np.testing.assert_allclose(loss("dice", targets, logits), [1 - (first + second) / 2], 1e-5)
    right = np.array([shares[0, 0], shares[1, 0], shares[2, 1]])
    entropy = -np.log(right).mean()
    both = loss("dice_crossentropy", targets, logits)
    np.testing.assert_allclose(both, [1 - (first + second) / 2 + entropy], 1e-5)
    smooth = entropy * 0.9 - 0.1 * np.log(shares).mean()
    np.testing.assert_allclose(loss("dice_crossentropy", targets, logits, smoothing=0.1), both - entropy + smooth, 1e-5)


def test_a_perfect_answer_costs_nothing() -> None:
    one_hot = np.eye(3)[np.array([[[0, 1], [2, 2]]])]
    assert loss("dice", one_hot, one_hot, "softmax") == pytest.approx(0, abs=1e-6)
    assert loss("dice_crossentropy", one_hot, one_hot, "softmax") == pytest.approx(0, abs=1e-6)
    assert loss("giou", [[[0.3, 0.1, 0.2, -0.4, 1]]], [[[0.3, 0.1, 0.2, -0.4]]]) == pytest.approx(0, abs=1e-6)
