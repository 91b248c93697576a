"""What QAT trained is what int8 holds: biases in whole steps, pools on their inputs' steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.answers import answer

X = np.random.default_rng(0).normal(0, 2, (32, 8, 8, 3)).astype(np.float32)


def network(padding: str) -> Any:
    """Each way a bias comes about: of a convolution, of a Dense layer, of batch-norm behind one; and a pool."""
    from pipeline.models.backend import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    inputs = tf_keras.Input((8, 8, 3))
    x = layers.Rescaling(0.5, -0.2)(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x)))
    x = layers.ReLU()(layers.BatchNormalization(scale=False)(layers.DepthwiseConv2D(3, depth_multiplier=2)(x)))
    x = layers.AveragePooling2D(3, 1, padding, name="pool")(x)
    x = layers.Conv2D(6, 1, bias_initializer="random_normal", activation="relu")(x)
    return tf_keras.Model(inputs, layers.Dense(5, bias_initializer="random_normal", name="logits")(layers.Flatten()(x)))


def calibrated(model: Any) -> Any:
    """The QAT model, with statistics and ranges that fit, and random gammas and betas."""
    from pipeline.training import batch_norm
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware

    rng = np.random.default_rng(1)
    for layer in batch_norm.layers(model):
        for weight in layer.trainable_weights:
            weight.assign(rng.normal(0.5, 0.5, weight.shape))
    batch_norm.reestimate(model, [X])
    made = quantize_aware(model)
    batch_norm.freeze(made)
    calibrated_start.calibrate(made, [X])
    return made


@pytest.fixture
def aware() -> Any:
    return calibrated(network("same"))


def written(aware: Any) -> tuple[bytes, bytes]:
    """The float prepared and the int8 file."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant

    prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
    return prepared, write(prepared, "int8", learned)


def biases_off_their_steps(aware: Any) -> dict[str, float]:
    """How far each layer's float biases lie from what the int8 file holds, in its steps, at most."""
    prepared, int8 = written(aware)
    whole, found = _biases(int8), {}
    for name, (exact, _) in _biases(prepared).items():
        stored, steps = whole[name]
        found[name] = float(np.abs(exact / steps - stored).max())
    assert len(found) == 5
    return found


def _biases(content: bytes) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    from pipeline.tflite import flatbuffer

    model = flatbuffer.read(content)
    tensors = model.subgraphs[0].tensors
    found = {}
    for operator in model.subgraphs[0].operators:
        if flatbuffer.operator_name(model, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            tensor = tensors[operator.inputs[2]]
            quantization, values = flatbuffer.quantization(tensor), flatbuffer.tensor_data(model, tensor)
            assert values is not None
            steps = np.ones(1) if quantization is None else quantization.scales.astype(np.float64)
            found[flatbuffer.tensor_name(tensors[operator.outputs[0]])] = values.astype(np.float64), steps
    return found


def test_every_bias_is_a_whole_number_of_the_files_steps(aware: Any) -> None:
    from pipeline.training.qat.snap import snap

    assert max(biases_off_their_steps(aware).values()) > 0.3
    snap(aware)
    assert max(biases_off_their_steps(aware).values()) < 0.02


def test_only_biases_move(aware: Any) -> None:
    from pipeline.training.qat.snap import snap_biases

    before = aware.get_weights()
    snap_biases(aware)
    pairs = zip(aware.weights, before, strict=True)
    moved = [weight.name for weight, old in pairs if (weight.numpy() != old).any()]
    assert len(moved) == 5
    assert all(name.endswith(("bias:0", "beta:0")) for name in moved)


def test_a_settled_model_stays_as_it_is(aware: Any) -> None:
    from pipeline.training.qat.snap import snap

    snap(aware)
    before = aware.get_weights()
    snap(aware)
    for old, new in zip(before, aware.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6, atol=1e-9)


def test_int8_then_computes_what_qat_computes() -> None:
    from pipeline.tflite.runner import Runner
    from pipeline.training.qat.snap import snap

    aware = calibrated(network("valid"))
    snap(aware)
    int8 = Runner(written(aware)[1])
    step = int8.outputs[0].scale
    assert step is not None
    np.testing.assert_allclose(answer(int8, X), aware(X).numpy(), atol=step / 100)


def test_a_pool_has_its_inputs_range_through_training(aware: Any) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.range_variables import ranges
    from pipeline.training.qat.schedule import Following

    def pair() -> tuple[tuple[float, float], tuple[float, float]]:
        found = ranges(aware)
        before = list(found)[list(found).index("quant_pool") - 1]
        return found[before], found["quant_pool"]

    start = pair()
    assert start[0] == start[1]
    aware.compile(tf_keras.optimizers.SGD(1e-2), "mse")
    aware.fit(X * 2, aware.predict(X, verbose=0), verbose=0, callbacks=[Following()])
    trained = pair()
    assert trained[0] == trained[1]
    assert trained != start


def test_a_pool_over_the_whole_image_keeps_its_own() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.snap import tied_ranges

    inputs = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.AveragePooling2D(8)(tf_keras.layers.Conv2D(4, 1)(inputs))
    assert tied_ranges(quantize_aware(tf_keras.Model(inputs, x))) == []


def test_a_layer_that_is_used_twice_stays() -> None:
    """Its two places have other steps."""
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.snap import snap_biases

    inputs = tf_keras.Input((8, 8, 3))
    twice = tf_keras.layers.Conv2D(3, 1, bias_initializer="random_normal")
    aware = quantize_aware(tf_keras.Model(inputs, twice(tf_keras.layers.ReLU()(twice(inputs)))))
    calibrated_start.calibrate(aware, [X])
    before = aware.get_weights()
    snap_biases(aware)
    for old, new in zip(before, aware.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_channels_of_zeros_and_a_bias_beyond_int32_stay() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.snap import snap_biases

    inputs = tf_keras.Input((8, 8, 3))
    layer = tf_keras.layers.Conv2D(3, 1)
    model = tf_keras.Model(inputs, layer(inputs))
    kernel = np.ones((1, 1, 3, 3), np.float32) * np.float32([0.0, 1e-9, 1.0])
    layer.set_weights([kernel, np.float32([0.3, 7.1, 0.1])])
    aware = quantize_aware(model)
    calibrated_start.calibrate(aware, [X])
    snap_biases(aware)
    bias = next(weight.numpy() for weight in aware.weights if weight.name.endswith("bias:0"))
    np.testing.assert_array_equal(bias[:2], np.float32([0.3, 7.1]))
    assert bias[2] != np.float32(0.1)
    assert bias[2] == pytest.approx(0.1, abs=1e-3)
