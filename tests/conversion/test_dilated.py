"""A dilated convolution is one operator, with its batch-norm and ReLU, and answers as Keras does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer

X = np.random.default_rng(0).normal(size=(3, 15, 12, 4)).astype(np.float32)


def block(kind: str, **options: Any) -> Any:
    """Convolution, batch-norm with all its parts, ReLU6."""
    from pipeline.models.backend import tf_keras

    layers, inputs = tf_keras.layers, tf_keras.Input(X.shape[1:])
    convolution = getattr(layers, kind)(**({} if kind == "DepthwiseConv2D" else {"filters": 6}), **options)
    model = tf_keras.Model(inputs, layers.ReLU(6.0)(layers.BatchNormalization()(convolution(inputs))))
    rng = np.random.default_rng(1)
    for weight in model.weights:
        values = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)
    return model


@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "rate"), [(3, 2), (3, (1, 3)), ((2, 3), 2), (3, (3, 2))])
def test_it_is_one_operator(kind: str, padding: str, size: Any, rate: Any) -> None:
    from pipeline.conversion.convert import to_flatbuffer

    model = block(kind, kernel_size=size, dilation_rate=rate, padding=padding)
    content = to_flatbuffer(model)
    [operator] = inspect(content).operators
    assert operator.name == ("CONV_2D" if kind == "Conv2D" else "DEPTHWISE_CONV_2D")
    np.testing.assert_allclose(answer(Runner(content, batch=3), X), model.predict(X, verbose=0), atol=1e-4)
    assert inspect(content).outputs[0].name == model.output_names[0]


def test_qat_rounds_it_once() -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.training import batch_norm
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.snap import snap

    aware = quantize_aware(block("DepthwiseConv2D", kernel_size=3, dilation_rate=2, padding="same"))
    batch_norm.freeze(aware)
    calibrated_start.calibrate(aware, [X])
    snap(aware)
    prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
    int8 = Runner(write(prepared, "int8", learned), batch=3)
    step = int8.outputs[0].scale
    assert step is not None
    assert (np.abs(answer(int8, X) - aware.predict(X, verbose=0)) > step / 2).mean() < 1e-3


def test_what_is_cut_apart_by_the_users_own_padding_stays() -> None:
    """No convolution of TFLite has another padding on each side than SAME."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf, tf_keras

    inputs = tf_keras.Input((15, 12, 4))
    apart = tf.space_to_batch(inputs, [2, 2], [[3, 2], [0, 0]])
    together = tf.batch_to_space(tf_keras.layers.Conv2D(3, 3)(apart), [2, 2], [[0, 0], [0, 0]])
    model = tf_keras.Model(inputs, together)
    content = to_flatbuffer(model)
    assert "SPACE_TO_BATCH_ND" in {operator.name for operator in inspect(content).operators}
    np.testing.assert_allclose(answer(Runner(content), X[:1]), model.predict(X[:1], verbose=0), atol=1e-4)
