"""A Keras Reshape with an open batch becomes a reshape to a constant shape."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_reshapes import constant_reshapes
from pipeline.tflite.runner import Runner
from tests.answers import answer


@pytest.fixture(scope="module")
def computed() -> bytes:
    """A model whose Reshape asks for its batch while it runs, straight from TensorFlow's converter."""
    from pipeline.models.backend import quiet_tensorflow, tf, tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential([tf_keras.Input((4, 4, 1)), layers.Conv2D(3, 3), layers.Reshape((12,))])
    with quiet_tensorflow():
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def names(content: bytes) -> list[str]:
    model = flatbuffer.read(content)
    return [flatbuffer.operator_name(model, operator) for operator in model.subgraphs[0].operators]


def test_the_chain_goes_and_the_reshape_stays(computed: bytes) -> None:
    assert "PACK" in names(computed)
    assert names(constant_reshapes(computed)) == ["CONV_2D", "RESHAPE"]


@pytest.mark.parametrize("batch", [1, 5])
def test_the_answer_is_the_same_at_any_batch(computed: bytes, batch: int) -> None:
    x = np.random.default_rng(0).normal(size=(batch, 4, 4, 1)).astype(np.float32)
    before = answer(Runner(computed, batch=batch), x)
    after = answer(Runner(constant_reshapes(computed), batch=batch), x)
    np.testing.assert_array_equal(after, before)


def test_a_model_without_one_is_given_back_as_it_is(computed: bytes) -> None:
    mended = constant_reshapes(computed)
    assert constant_reshapes(mended) is mended
