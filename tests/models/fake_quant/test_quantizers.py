"""QAT's arithmetic is numpy's: a scale a channel, ranges that follow the data, gradients that pass through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def state(low: float = -6.0, high: float = 6.0, seen: float = 0.0) -> dict[str, Any]:
    from pipeline.models.backend import tf

    return {"min": tf.Variable(low), "max": tf.Variable(high), "seen": tf.Variable(seen)}


def feed(weights: dict[str, Any], *values: float, training: bool = True) -> np.ndarray:
    from pipeline.models.backend import tf
    from pipeline.models.fake_quant.quantizers import RunningRange

    return np.asarray(RunningRange()(tf.constant(values), training=training, weights=weights))


@pytest.mark.parametrize(
    ("kind", "options", "shape", "kept"),
    [
        ("Conv2D", {"filters": 5, "kernel_size": 3}, (8, 8, 2), [3]),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (8, 8, 4), [2, 3]),
        ("DepthwiseConv1D", {"kernel_size": 3}, (8, 4), [1, 2]),
        ("Conv2DTranspose", {"filters": 5, "kernel_size": 3}, (8, 8, 2), [2]),
        ("Conv1D", {"filters": 5, "kernel_size": 3}, (8, 2), [2]),
        ("Dense", {"units": 5}, (7,), [1]),
    ],
)
def test_a_kernel_is_rounded_with_one_scale_an_output_channel(
    kind: str, options: dict[str, int], shape: tuple[int, ...], kept: list[int]
) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.fake_quant.int8_config import weight_axes
    from pipeline.models.fake_quant.quantizers import PerChannelWeights

    layer = getattr(tf_keras.layers, kind)(**options)
    layer.build((None, *shape))
    kernel = np.random.default_rng(0).normal(size=layer.weights[0].shape).astype(np.float32)
    axes = tuple(axis for axis in range(kernel.ndim) if axis not in kept)
    scale = np.abs(kernel).max(axes, keepdims=True) / np.float32(127)
    rounded = PerChannelWeights(weight_axes(layer, kernel.ndim))(kernel, training=True, weights={}).numpy()
    np.testing.assert_allclose(rounded, np.round(kernel / scale) * scale, rtol=1e-5)
    assert np.abs(rounded / scale).max() == pytest.approx(127)


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 3, 2, 5), [0, 1, 2]), ((3, 3, 6, 1), [0, 1]), ((7, 4), [0])], ids=["conv", "dw", "dense"]
)
def test_weights_are_rounded_per_output_channel(shape: tuple[int, ...], axes: list[int]) -> None:
    from pipeline.models.fake_quant.quantizers import PerChannelWeights

    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    scale = np.abs(w).max(axis=tuple(axes), keepdims=True) / np.float32(127)
    rounded = PerChannelWeights(axes)(w, training=False, weights={}).numpy()
    np.testing.assert_allclose(rounded, np.round(w / scale) * scale, rtol=1e-6)


def test_a_channel_of_zeros_stays_zero() -> None:
    from pipeline.models.fake_quant.quantizers import PerChannelWeights

    assert not PerChannelWeights([0])(np.zeros((4, 2), np.float32), training=True, weights={}).numpy().any()


def test_the_gradient_passes_through_the_rounding() -> None:
    from pipeline.models.backend import tf
    from pipeline.models.fake_quant.quantizers import PerChannelWeights

    w = tf.Variable([[0.1], [0.2], [1.0]])
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(PerChannelWeights([0])(w, training=True, weights={}) * 3.0)
    np.testing.assert_array_equal(tape.gradient(answer, w).numpy(), np.full((3, 1), 3.0))


def test_the_first_batch_gives_the_range_and_nothing_of_the_start_stays() -> None:
    weights = state()
    feed(weights, -0.5, 0.25)
    assert (float(weights["min"]), float(weights["max"]), float(weights["seen"])) == (-0.5, 0.25, 1.0)


def test_a_range_starts_at_the_first_batch_and_follows_the_next() -> None:
    from pipeline.models.backend import tf
    from pipeline.models.fake_quant.quantizers import RunningRange

    state = {"min": tf.Variable(-6.0), "max": tf.Variable(6.0), "seen": tf.Variable(0.0)}
    quantizer = RunningRange()
    quantizer(tf.constant([-1.0, 2.0]), training=True, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-1.0, 2.0)
    quantizer(tf.constant([-3.0, 4.0]), training=True, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-2.0, 3.0)
    quantizer(tf.constant([-9.0, 9.0]), training=False, weights=state)
    assert (float(state["min"]), float(state["max"])) == (-2.0, 3.0)


def test_a_range_holds_zero() -> None:
    weights = state()
    feed(weights, 2.0, 3.0)
    assert (float(weights["min"]), float(weights["max"])) == (0.0, 3.0)


def test_the_first_batches_count_alike() -> None:
    weights = state()
    for high in (1.0, 2.0, 6.0):
        feed(weights, -high, high)
    assert float(weights["min"]) == pytest.approx(-3.0)
    assert float(weights["max"]) == pytest.approx(3.0)


def test_later_batches_move_the_range_by_a_hundredth() -> None:
    weights = state(-1.0, 1.0, seen=1000.0)
    feed(weights, -2.0, 2.0)
    assert float(weights["max"]) == pytest.approx(1.01)
    assert float(weights["min"]) == pytest.approx(-1.01)


def test_outside_training_the_range_stays() -> None:
    weights = state(-1.0, 1.0, seen=3.0)
    answer = feed(weights, -9.0, 0.0, 9.0, training=False)
    assert (float(weights["min"]), float(weights["max"]), float(weights["seen"])) == (-1.0, 1.0, 3.0)
    np.testing.assert_allclose(answer, [-1, 0, 1], atol=1 / 100)


def test_the_gradient_passes_inside_the_range_and_not_outside() -> None:
    from pipeline.models.backend import tf
    from pipeline.models.fake_quant.quantizers import RunningRange

    x = tf.Variable([-9.0, -0.5, 0.3, 9.0])
    with tf.GradientTape() as tape:
        answer = tf.reduce_sum(RunningRange()(x, training=False, weights=state(-1.0, 1.0)))
    np.testing.assert_array_equal(tape.gradient(answer, x), [0, 1, 1, 0])
