"""Each loss by name is the formula of its name, whatever the model ends in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SCORES = np.float32([[2, 1, 0], [0, 0, 3]])
WANTED = np.float32([[1, 0, 0], [0, 1, 0]])


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def loss(name: Any, ending: Any = "none", smoothing: float = 0.0) -> Any:
    from pipeline.training.losses import of_name

    return of_name(name, ending, smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropies_take_logits_where_nothing_ends_the_model(smoothing: float) -> None:
    smooth = WANTED * (1 - smoothing) + smoothing / 3
    expected = -(smooth * np.log(softmax(SCORES))).sum(axis=1)
    for ending, found in (("none", SCORES), ("softmax", softmax(SCORES))):
        np.testing.assert_allclose(loss("categorical_crossentropy", ending, smoothing)(WANTED, found), expected, 1e-4)
    units = 1 / (1 + np.exp(-SCORES))
    smooth = WANTED * (1 - smoothing) + smoothing / 2
    expected = -(smooth * np.log(units) + (1 - smooth) * np.log(1 - units)).mean(axis=1)
    for ending, found in (("none", SCORES), ("sigmoid", units)):
        np.testing.assert_allclose(loss("binary_crossentropy", ending, smoothing)(WANTED, found), expected, 1e-4)


def test_values() -> None:
    apart = SCORES - WANTED
    np.testing.assert_allclose(loss("mse")(WANTED, SCORES), (apart**2).mean(axis=1), 1e-5)
    np.testing.assert_allclose(loss("mae")(WANTED, SCORES), np.abs(apart).mean(axis=1), 1e-5)
    huber = np.where(np.abs(apart) <= 1, apart**2 / 2, np.abs(apart) - 0.5).mean(axis=1)
    np.testing.assert_allclose(loss("huber")(WANTED, SCORES), huber, 1e-5)
    cosines = (SCORES * WANTED).sum(axis=1) / np.linalg.norm(SCORES, axis=1)
    np.testing.assert_allclose(loss("cosine")(WANTED, SCORES), 1 - cosines, 1e-5)


@pytest.mark.parametrize("ending", ["none", "softmax"])
def test_ctc_sums_the_paths_that_read_the_label(ending: str) -> None:
    """Two steps, classes a and b and the blank last: 'a' is read of aa, a- and -a."""
    probabilities = np.float32([[[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]], [[0.5, 0.2, 0.3], [0.1, 0.3, 0.6]]])
    given = probabilities if ending == "softmax" else np.log(probabilities)
    found = loss("ctc", ending)(np.int32([[0, -1], [0, 1]]), given)
    paths = [0.5 * 0.1 + 0.5 * 0.6 + 0.3 * 0.1, 0.5 * 0.3]
    np.testing.assert_allclose(found, -np.log(paths), 1e-4)


def test_triplets_take_the_farthest_of_the_class_and_the_nearest_of_another() -> None:
    angles = np.deg2rad([0, 60, 90, 200])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) * 5
    found = np.asarray(loss("triplet")(np.int32([0, 0, 1, 2]), points))

    def apart(degrees: float) -> float:
        return float(2 * np.sin(np.deg2rad(degrees) / 2))

    np.testing.assert_allclose(found[:2], [max(0, 0.2 + apart(60) - apart(90)), 0.2 + apart(60) - apart(30)], atol=1e-5)
    np.testing.assert_array_equal(found[2:], 0)  # alone in their classes


def test_a_compiled_sparse_loss_reads_one_hot_targets() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.losses import compiled_losses

    model = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.Softmax(name="kind")])
    assert compiled_losses(model) == {}
    expected = -np.log((softmax(SCORES) * WANTED).sum(axis=1))
    for given in ("sparse_categorical_crossentropy", tf_keras.losses.SparseCategoricalCrossentropy()):
        model.compile(loss=given)
        np.testing.assert_allclose(compiled_losses(model)["kind"](WANTED, softmax(SCORES)), expected, 1e-4)
