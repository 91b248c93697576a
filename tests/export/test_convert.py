"""The fast conversion gives what TensorFlow's own converter gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNet"])
def test_the_outputs_are_identical_to_the_last_bit(name: str) -> None:
    from pipeline.export.convert import to_flatbuffer
    from pipeline.models.backend import quiet_tensorflow, tf, tf_keras

    model = getattr(tf_keras.applications, name)(
        input_shape=(32, 32, 3), alpha=0.25 if name == "MobileNet" else 0.35, weights=None, classes=7
    )
    with quiet_tensorflow():
        ordinary = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    ours = Runner(to_flatbuffer(model), batch=1)
    np.testing.assert_array_equal(ours.predict(x), Runner(ordinary, batch=1).predict(x))


def test_inputs_and_outputs_have_keras_names_a_signature_and_an_open_batch() -> None:
    from pipeline.export.convert import to_flatbuffer
    from tests.tiny_keras import model

    built = model()
    found = inspect(to_flatbuffer(built))
    assert [port.name for port in found.inputs] == built.input_names
    assert found.inputs[0].shape_signature == (-1, 8, 8, 1)
    [signature] = found.signatures
    assert (signature.key, list(signature.outputs)) == ("serving_default", built.output_names)
