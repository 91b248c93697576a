"""QAT computes what int8 will: per-channel weights, ranges that follow the data, gradients that pass through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def aware() -> Any:
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    return quantize_aware(model())


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 3, 2, 5), [0, 1, 2]), ((3, 3, 6, 1), [0, 1]), ((7, 4), [0])], ids=["conv", "dw", "dense"]
)
def test_weights_are_rounded_per_output_channel(shape: tuple[int, ...], axes: list[int]) -> None:
    from pipeline.training.qat.quantizers import PerChannelWeights

    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    scale = np.abs(w).max(axis=tuple(axes), keepdims=True) / np.float32(127)
    rounded = PerChannelWeights(axes)(w, training=False, weights={}).numpy()
    np.testing.assert_allclose(rounded, np.round(w / scale) * scale, rtol=1e-6)


def test_a_channel_of_zeros_stays_zero() -> None:
    from pipeline.training.qat.quantizers import PerChannelWeights

    assert not PerChannelWeights([0])(np.zeros((4, 2), np.float32), training=True, weights={}).numpy().any()


def test_the_gradient_passes_through_the_rounding() -> None:
    from pipeline.models.backend import tf
    from pipeline.training.qat.quantizers import PerChannelWeights

    w = tf.Variable([[0.1], [0.2], [1.0]])
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(PerChannelWeights([0])(w, training=True, weights={}) * 3.0)
    np.testing.assert_array_equal(tape.gradient(answer, w).numpy(), np.full((3, 1), 3.0))


def test_a_range_starts_at_the_first_batch_and_follows_the_next() -> None:
    from pipeline.models.backend import tf
    from pipeline.training.qat.quantizers import RunningRange

    state = {"min": tf.Variable(-6.0), "max": tf.Variable(6.0), "seen": tf.Variable(0.0)}
    quantizer = RunningRange()
    quantizer(tf.constant([-1.0, 2.0]), training=True, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-1.0, 2.0)
    quantizer(tf.constant([-3.0, 4.0]), training=True, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-2.0, 3.0)
    quantizer(tf.constant([-9.0, 9.0]), training=False, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-2.0, 3.0)


def test_the_last_softmax_is_exact_in_training_and_int8s_in_inference(aware: Any) -> None:
    x = np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 1)).astype(np.float32)
    trained, answered = aware(x, training=True).numpy(), aware(x, training=False).numpy()
    np.testing.assert_allclose(trained.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(answered * 256, np.rint(answered * 256))
    assert (trained * 256 != np.rint(trained * 256)).any()


def test_kernels_of_layers_that_are_not_trained_stay() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware

    inputs = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.AveragePooling2D()(tf_keras.layers.Rescaling(0.5)(inputs))
    x = tf_keras.layers.Conv2D(4, 1, trainable=False)(x)
    made = quantize_aware(tf_keras.Model(inputs, tf_keras.layers.Conv2D(2, 1)(x)))
    assert [tuple(weight.shape) for weight in made.trainable_weights] == [(1, 1, 4, 2), (2,)]


def test_a_saved_qat_model_answers_the_same(aware: Any, tmp_path: Path) -> None:
    from pipeline.models.load import load_file

    x = np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 1)).astype(np.float32)
    aware(x, training=True)
    aware.save(tmp_path / "qat.h5")
    np.testing.assert_array_equal(load_file(tmp_path / "qat.h5")(x).numpy(), aware(x).numpy())


def test_the_plain_converter_and_the_hub_agree(aware: Any) -> None:
    """Both ways from QAT to int8: fake-quant nodes through TFLite, and learned ranges on the float flatbuffer."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.tflite.runner import Runner

    x = np.random.default_rng(0).uniform(0, 1, (64, 8, 8, 1)).astype(np.float32)
    for _ in range(3):
        aware(x, training=True)
    simulated = to_flatbuffer(aware)
    prepared, learned = take_out_fake_quant(simulated)
    int8 = write(prepared, "int8", learned.over(calibrate(prepared, [{"x": x}])))
    expected = aware(x).numpy()
    np.testing.assert_allclose(Runner(simulated).predict(x), expected, atol=1e-5)
    # Softmax answers in steps of 1/256; a step or two of rounding is what int8 may differ by.
    assert np.abs(Runner(int8).predict(x) - expected).max() <= 3 / 256


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
