from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.tasks.similarity import area_under_curve, structural_similarity


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Two [1, 16, 20, 2], of 0..1."""
    rows, columns = np.mgrid[:16, :20]
    one = np.stack([np.sin(columns / 3) * np.cos(rows / 4), (columns * rows % 7) / 7.0], -1)[None].astype(np.float32)
    one = (one - one.min()) / (one.max() - one.min())
    two = np.clip(one * 0.8 + 0.1 * np.cos(columns * rows)[None, ..., None], 0, 1).astype(np.float32)
    return one, two


def test_ssim_as_tensorflow_computes_it() -> None:
    """tf.image.ssim of TensorFlow 2.21 gives these numbers."""
    one, two = pictures()
    assert structural_similarity(one, two, 1.0) == pytest.approx([0.8075395], abs=1e-6)
    assert structural_similarity(2 * one - 1, 2 * two - 1, 2.0) == pytest.approx([0.23202562], abs=1e-6)


def test_ssim_of_the_same_image_is_1_and_images_do_not_mix() -> None:
    one, two = pictures()
    found = structural_similarity(np.concatenate([one, one]), np.concatenate([one, two]), 1.0)
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(structural_similarity(one, two, 1.0)[0])


def test_auc_by_hand() -> None:
    scores, positive = np.array([1.0, 2, 3, 4]), np.array([False, True, False, True])
    assert area_under_curve(scores, positive) == 3 / 4
    assert area_under_curve(scores, ~positive) == 1 / 4
    assert area_under_curve(np.zeros(4), positive) == 1 / 2
    assert np.isnan(area_under_curve(scores, np.ones(4, bool)))


def test_auc_as_scikit_learn_with_equal_scores() -> None:
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 6, 60), generator.integers(0, 2, 60) > 0
    assert area_under_curve(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
