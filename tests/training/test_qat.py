"""QAT's arithmetic is numpy's, and what it trained is what the int8 file holds (see test_scheme.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tflite.inspect import inspect
from pipeline.workflow.run_folder import Run
from tests.answers import answer


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


def test_the_first_batch_gives_the_range_and_nothing_of_the_start_stays() -> None:
    weights = state()
    feed(weights, -0.5, 0.25)
    assert (float(weights["min"]), float(weights["max"]), float(weights["seen"])) == (-0.5, 0.25, 1.0)


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


def test_the_copy_has_the_weights_and_leaves_the_float_model_alone() -> None:
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    source = model()
    before = source.get_weights()
    aware = quantize_aware(source)
    aware(np.ones((2, 8, 8, 1), np.float32), training=True)
    for old, new in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    held = [weight.numpy() for weight in aware.weights]
    assert all(any(w.shape == h.shape and np.array_equal(w, h) for h in held) for w in before if w.ndim > 1)


def test_a_subclassed_model_is_refused_with_the_other_road() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware

    class Mine(tf_keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InputError, match="--ptq"):
        quantize_aware(Mine())


def test_a_subclassed_model_is_refused() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware

    class Own(tf_keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs

    model = Own(name="mine")
    model(np.zeros((1, 8, 8, 1), np.float32))
    with pytest.raises(InputError, match=r"'mine'.*subclassed"):
        quantize_aware(model)


def test_the_input_range_is_the_datas_from_the_start_and_stays() -> None:
    from pipeline.data import load
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.ranges import holding_zero
    from pipeline.training.qat.fine_tune import fine_tune
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    layers = [tf_keras.Input((8, 8, 1)), tf_keras.layers.Flatten(), tf_keras.layers.Dense(10, activation="softmax")]
    data = load(recipe.Data.model_validate({"limit": 40, "preprocess": {"scale": "-1..1"}}))
    aware, history = fine_tune(tf_keras.Sequential(layers), data, recipe.Qat(epochs=1))
    [name] = input_quantizers(aware).values()
    np.testing.assert_allclose(ranges(aware)[name], holding_zero(-1, 1), rtol=1e-5)
    assert len(history.loss) == 1


def test_the_int8_file_has_a_scale_a_channel_and_the_trained_values(small_run: Run) -> None:
    from pipeline.models.load import load_file
    from pipeline.tflite import flatbuffer

    found = inspect(small_run.path("int8.tflite"))
    weighted = {op.name: op.weights for op in found.operators if op.weights}
    assert {name: weights.scales for name, weights in weighted.items()} == {
        "CONV_2D": 8,
        "DEPTHWISE_CONV_2D": 8,
        "FULLY_CONNECTED": 10,
    }
    model = flatbuffer.read(small_run.path("int8.tflite").read_bytes())
    [dense] = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if flatbuffer.tensor_name(tensor) == weighted["FULLY_CONNECTED"].tensor
    ]
    [kernel] = [w.numpy() for w in load_file(small_run.path("qat.h5")).weights if tuple(w.shape) == (8, 10)]
    quantization = flatbuffer.quantization(dense)
    assert quantization is not None
    np.testing.assert_allclose(quantization.scales, np.abs(kernel).max(0) / 127, rtol=1e-5)
    stored = np.asarray(flatbuffer.tensor_data(model, dense)).reshape(10, 8)
    np.testing.assert_array_equal(stored, np.round(kernel / (np.abs(kernel).max(0) / np.float32(127))).T)


def test_the_saved_qat_model_answers_as_its_flatbuffer(small_run: Run, images: np.ndarray) -> None:
    from pipeline.models.load import load_file
    from pipeline.tflite.runner import Runner

    expected = load_file(small_run.path("qat.h5"))(images).numpy()
    np.testing.assert_allclose(answer(Runner(small_run.path("qat.tflite")), images), expected, atol=0.02)
