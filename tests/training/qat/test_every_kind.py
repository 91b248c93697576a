"""One small model of each kind that plain tfmot refuses, from Keras through QAT to an int8 file that computes the same.

The whole of `keras.applications` runs in `benchmarks/qat_models.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.answers import answer
from tests.training.qat.same import random_inputs


def _block(keras: Any, x: Any) -> Any:
    layers = keras.layers
    return layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same", use_bias=False)(x)))


def functions(keras: Any, x: Any) -> Any:
    """MobileNetV3: hard-swish, hard-sigmoid and a gate."""
    y = keras.layers.Conv2D(8, 3, padding="same")(keras.layers.Rescaling(1 / 2, -0.1)(x))
    y = keras.layers.Multiply()([y, keras.layers.ReLU(6.0)(y + 3.0) * (1 / 6)])
    gate = keras.layers.Conv2D(8, 1)(keras.layers.GlobalAveragePooling2D(keepdims=True)(y))
    return keras.layers.Multiply()([y, keras.layers.ReLU(6.0)(gate + 3.0) * (1 / 6)]) + x[..., :1]


def swish(keras: Any, x: Any) -> Any:
    """EfficientNet: preprocessing, swish inside layers, sigmoid gates, dropout of whole examples."""
    y = keras.layers.Normalization(mean=[0.1] * 3, variance=[2.0] * 3)(keras.layers.Rescaling(0.5)(x))
    y = keras.layers.Activation("swish")(keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3)(y)))
    gate = keras.layers.Reshape((1, 1, 8))(keras.layers.GlobalAveragePooling2D()(y))
    gate = keras.layers.Conv2D(8, 1, activation="sigmoid")(keras.layers.Conv2D(4, 1, activation="swish")(gate))
    return keras.layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(keras.layers.Multiply()([y, gate]))


def before_activation(keras: Any, x: Any) -> Any:
    """ResNetV2, DenseNet: batch-norm with no convolution before it."""
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    y = keras.layers.Concatenate()([x, keras.layers.Conv2D(4, 3, padding="same")(y)])
    return keras.layers.AveragePooling2D()(keras.layers.ReLU()(keras.layers.BatchNormalization()(y)))


def separable(keras: Any, x: Any) -> Any:
    """NASNet, Xception: a lone ReLU, separable convolutions, cropping and padding, sums of three."""
    y = keras.layers.ReLU()(_block(keras, x))
    z = keras.layers.BatchNormalization()(keras.layers.SeparableConv2D(8, 3, padding="same", use_bias=False)(y))
    shifted = keras.layers.Cropping2D(((1, 0), (1, 0)))(keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(y))
    return keras.layers.Add()([z, shifted, keras.layers.MaxPooling2D(3, 1, "same")(y)])


def nested(keras: Any, x: Any) -> Any:
    """A backbone inside a model, called twice."""
    inner_x = keras.Input((8, 8, 3))
    inner = keras.Model(inner_x, _block(keras, inner_x))
    return keras.layers.Concatenate()([inner(x), inner(keras.layers.ReLU()(x))])


def convnext(keras: Any, x: Any) -> Any:
    """LayerNormalization, Dense on images, gelu, LayerScale."""
    from tf_keras.src.applications.convnext import LayerScale

    x = keras.layers.Conv2D(8, 2, 2)(x)
    y = keras.layers.LayerNormalization(epsilon=1e-3)(keras.layers.DepthwiseConv2D(3, padding="same")(x))
    y = keras.layers.Dense(8)(keras.layers.Activation("gelu")(keras.layers.Dense(16)(y)))
    return x + LayerScale(0.1, 8)(y)


def grouped(keras: Any, x: Any) -> Any:
    """RegNet: grouped convolutions. And leaky ReLU, clipping, transposed convolution with batch-norm."""
    y = keras.layers.Conv2D(8, 3, padding="same", groups=2)(keras.layers.Conv2D(8, 1, activation="leaky_relu")(x))
    y = keras.layers.ReLU(max_value=2.0)(keras.layers.Add()([y, y]))
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2DTranspose(4, 3, strides=2)(y)))


def attention(keras: Any, x: Any) -> Any:
    """A vision transformer's block."""
    y = keras.layers.Reshape((64, 3))(x)
    y = keras.layers.Dense(8)(y)
    y = keras.layers.Add()([y, keras.layers.MultiHeadAttention(2, 4)(y, y)])
    return keras.layers.Reshape((8, 8, 8))(y)


def sequences(keras: Any, x: Any) -> Any:
    """Conv1D with batch-norm, pooling, Lambda."""
    y = keras.layers.Lambda(lambda t: t * 0.5)(keras.layers.Reshape((64, 3))(x))
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv1D(8, 3, padding="causal")(y)))
    y = keras.layers.MaxPooling1D()(keras.layers.SeparableConv1D(8, 3, padding="same")(y))
    return keras.layers.Reshape((8, 4, 8))(y)


def joined(keras: Any, x: Any) -> Any:
    """U-Net and maxout: resized images, concatenation, the larger and the smaller of two values."""
    layers = keras.layers
    y = layers.UpSampling2D(interpolation="bilinear")(layers.Conv2D(8, 3, 2, padding="same", activation="relu")(x))
    y = layers.Concatenate()([y, layers.Conv2D(4, 1)(x)])
    y = layers.Maximum()([layers.Conv2D(8, 1)(y), layers.Conv2D(8, 1)(y)])
    y = layers.Minimum()([layers.Conv2D(8, 1)(y), layers.Conv2D(8, 1)(y)])
    return layers.Resizing(6, 6)(y)


KINDS: tuple[Callable[[Any, Any], Any], ...] = (
    *(functions, swish, before_activation, separable, nested, convnext, grouped, attention, sequences, joined),
)


IN_EVERY_RUN = (swish, separable, grouped, attention, joined)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind in IN_EVERY_RUN else pytest.mark.slow, id=kind.__name__) for kind in KINDS],
)
def test_it_trains_and_ends_in_int8_that_computes_the_same(kind: Callable[[Any, Any], Any]) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner
    from pipeline.training import batch_norm
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.snap import snap

    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((8, 8, 3))
    head = tf_keras.layers.GlobalAveragePooling2D()(kind(tf_keras, inputs))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(5, name="logits")(head))
    x = random_inputs(model, 32)
    batch_norm.reestimate(model, [x])
    aware = quantize_aware(model)
    batch_norm.freeze(aware)
    aware.compile(tf_keras.optimizers.SGD(1e-4), "mse")
    before = [weight.numpy() for weight in aware.trainable_weights]
    aware.fit(x, model.predict(x, verbose=0), epochs=2, batch_size=16, verbose=0)
    assert any((old != new.numpy()).any() for old, new in zip(before, aware.trainable_weights, strict=True))
    snap(aware)

    prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
    int8 = write(prepared, "int8", learned.over(calibrate(prepared, [{"x": x}])))
    found = inspect(int8)
    assert found.verdict.text == "full int8, per-channel", found.verdict.breaks
    expected = aware.predict(x, verbose=0)
    noise = answer(Runner(int8), x) - expected
    sqnr_db = 10 * np.log10((expected**2).sum() / ((noise**2).sum() + 1e-12))
    assert sqnr_db > 35


def test_every_value_that_int8_rounds_has_one_learned_range() -> None:
    """No value is rounded twice, and none that TFLite stores is left to calibration."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.learned import quantizer_tensors, take_out_fake_quant
    from pipeline.tflite.inspect import inspect
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.range_variables import ranges

    inputs = tf_keras.Input((8, 8, 3))
    head = tf_keras.layers.GlobalAveragePooling2D()(swish(tf_keras, inputs))
    aware = quantize_aware(tf_keras.Model(inputs, tf_keras.layers.Dense(5, name="logits")(head)))
    simulated = to_flatbuffer(aware)
    prepared, learned = take_out_fake_quant(simulated)
    made = {op.output for op in inspect(prepared).operators if op.name != "RESHAPE"}  # which has its input's range
    assert made <= set(learned)
    tensors = quantizer_tensors(simulated)
    assert set(ranges(aware)) <= set(tensors)
    assert set(tensors.values()) <= set(learned)
    assert len(set(tensors.values())) == len(tensors)


def test_what_a_concatenation_alone_reads_is_rounded_on_its_steps() -> None:
    """The writer gives it the steps of the whole; with a range of its own, QAT would round it finer, and twice."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.range_variables import ranges
    from pipeline.training.qat.snap import snap

    layers, inputs = tf_keras.layers, tf_keras.Input((8, 8, 3))
    small = layers.Conv2D(4, 1, activation="relu", name="small")(inputs)
    large = layers.Conv2D(4, 3, padding="same", kernel_initializer="random_normal", name="large")(inputs * 9.0)
    model = tf_keras.Model(inputs, layers.Conv2D(2, 1, name="end")(layers.Concatenate(name="whole")([small, large])))
    x = random_inputs(model, 8)
    aware = quantize_aware(model)
    calibrated_start.calibrate(aware, [x])
    snap(aware)
    assert {name for name in ranges(aware) if "small" in name or "large" in name} == set()
    prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
    int8 = write(prepared, "int8", learned)
    assert "QUANTIZE" not in {op.name for op in inspect(int8).operators}
    runner = Runner(int8)
    step = runner.outputs[0].scale
    assert step is not None
    assert (np.abs(answer(runner, x) - aware.predict(x, verbose=0)) > step / 2).mean() < 0.002
