"""Batch-norm statistics: exact after a short training, kept in QAT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def model() -> Any:
    """Only a batch-norm over three features."""
    from pipeline.models.backend import tf_keras

    return tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.BatchNormalization(momentum=0.99)])


X = np.random.default_rng(0).normal((1, 5, -3), (1, 2, 3), (64, 3)).astype(np.float32)


def test_after_one_batch_the_statistics_are_numpys(model: Any) -> None:
    from pipeline.training import batch_norm

    batch_norm.reestimate(model, [X])
    np.testing.assert_allclose(model.layers[0].moving_mean, X.mean(0), rtol=1e-4)
    np.testing.assert_allclose(model.layers[0].moving_variance, X.var(0), rtol=1e-4)


def test_several_batches_count_alike_and_the_old_statistics_do_not(model: Any) -> None:
    from pipeline.training import batch_norm

    model.layers[0].moving_mean.assign([1e3, 1e3, 1e3])
    parts = np.split(X, 4)
    batch_norm.reestimate(model, iter(parts))
    np.testing.assert_allclose(model.layers[0].moving_mean, X.mean(0), rtol=1e-4)
    np.testing.assert_allclose(model.layers[0].moving_variance, np.mean([p.var(0) for p in parts], 0), rtol=1e-4)


def test_everything_else_stays_also_when_a_batch_fails(model: Any) -> None:
    from pipeline.training import batch_norm

    layer = model.layers[0]
    layer.gamma.assign([1.0, 2.0, 3.0])

    def broken() -> Any:
        yield X
        raise RuntimeError("unreadable")

    with pytest.raises(RuntimeError, match="unreadable"):
        batch_norm.reestimate(model, broken())
    assert layer.momentum == 0.99
    np.testing.assert_array_equal(layer.gamma, [1, 2, 3])
    assert not layer.beta.numpy().any()


def test_a_layer_that_does_not_train_keeps_its_statistics(model: Any) -> None:
    from pipeline.training import batch_norm

    model.layers[0].trainable = False
    batch_norm.reestimate(model, [X])
    assert not model.layers[0].moving_mean.numpy().any()


@pytest.mark.parametrize(("steps", "momentum"), [(1, 0.5), (4, 0.5), (10, 0.8), (1000, 0.99)])
def test_the_momentum_fits_the_number_of_steps(model: Any, steps: int, momentum: float) -> None:
    from pipeline.training import batch_norm

    batch_norm.fit_momentum(model, steps)
    assert model.layers[0].momentum == pytest.approx(momentum)


def test_layers_inside_nested_models_and_qat_wrappers_are_found() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training import batch_norm
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    tiny = model()
    nested = tf_keras.Sequential([tf_keras.Input((8, 8, 1)), tiny])
    assert len(batch_norm.layers(tiny)) == len(batch_norm.layers(nested)) == 2
    assert len(batch_norm.layers(quantize_aware(tiny))) == 2


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_statistics_stay_while_gamma_and_beta_learn(model: Any, frozen: bool) -> None:
    from pipeline.training import batch_norm

    if frozen:
        batch_norm.freeze(model)
    model.compile("sgd", "mse")
    model.fit(X, X * 2, verbose=0)
    layer = model.layers[0]
    assert layer.moving_mean.numpy().any() != frozen
    assert (layer.beta.numpy() != 0).all()
    assert (layer.gamma.numpy() != 1).all()


def test_frozen_statistics_stay_in_qat() -> None:
    from pipeline.models.backend import tf
    from pipeline.training import batch_norm
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    aware = quantize_aware(model())
    batch_norm.freeze(aware)
    before = [layer.moving_mean.numpy() for layer in batch_norm.layers(aware)]
    with tf.GradientTape() as tape:
        answer = aware(np.ones((2, 8, 8, 1), np.float32), training=True)
    gradients = tape.gradient(answer, [layer.beta for layer in batch_norm.layers(aware)])
    assert all(gradient is not None for gradient in gradients)
    for layer, mean in zip(batch_norm.layers(aware), before, strict=True):
        np.testing.assert_array_equal(layer.moving_mean, mean)


def test_batch_norm_statistics_are_the_mean_over_the_batches() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training import batch_norm

    model = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.BatchNormalization(momentum=0.999)])
    batches = [np.random.default_rng(seed).normal(seed, 1 + seed, (32, 3)).astype(np.float32) for seed in range(4)]
    batch_norm.reestimate(model, batches)
    layer = model.layers[0]
    np.testing.assert_allclose(layer.moving_mean, np.mean([b.mean(0) for b in batches], 0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, np.mean([b.var(0) for b in batches], 0), rtol=1e-3)
    assert layer.momentum == 0.999


def test_frozen_batch_norm_keeps_its_statistics_and_still_learns_its_shift() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training import batch_norm

    model = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.BatchNormalization()])
    batch_norm.freeze(model)
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(5, 1, (32, 3)).astype(np.float32)
    model.fit(x, x, verbose=0)
    assert not model.layers[0].moving_mean.numpy().any()
    assert model.layers[0].beta.numpy().all()
