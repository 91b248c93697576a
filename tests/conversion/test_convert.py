"""The fast conversion gives what TensorFlow's own converter gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer


@pytest.mark.parametrize("name", [pytest.param("MobileNetV2", marks=pytest.mark.slow), "MobileNet"])
def test_the_outputs_are_identical_to_the_last_bit(name: str) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import quiet_tensorflow, tf, tf_keras

    model = getattr(tf_keras.applications, name)(
        input_shape=(32, 32, 3), alpha=0.25 if name == "MobileNet" else 0.35, weights=None, classes=7
    )
    with quiet_tensorflow():
        ordinary = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    x = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    ours = Runner(to_flatbuffer(model), batch=1)
    np.testing.assert_array_equal(answer(ours, x), answer(Runner(ordinary, batch=1), x))


def test_inputs_and_outputs_have_keras_names_a_signature_and_an_open_batch() -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from tests.tiny_keras import model

    built = model()
    found = inspect(to_flatbuffer(built))
    assert [port.name for port in found.inputs] == built.input_names
    assert found.inputs[0].shape_signature == (-1, 8, 8, 1)
    [signature] = found.signatures
    assert (signature.key, list(signature.outputs)) == ("serving_default", built.output_names)


def test_several_inputs_and_outputs_keep_their_names_order_and_answers() -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    first, second = tf_keras.Input((3,), name="first"), tf_keras.Input((5,), name="second")
    x = layers.Concatenate()([first, second])
    model = tf_keras.Model([first, second], [layers.Dense(2, name="two")(x), layers.Dense(7, name="seven")(x)])
    content = to_flatbuffer(model)
    found = inspect(content)
    assert [(port.name, port.shape_signature) for port in found.inputs] == [("first", (-1, 3)), ("second", (-1, 5))]
    assert [(port.name, port.shape_signature) for port in found.outputs] == [("two", (-1, 2)), ("seven", (-1, 7))]
    feeds = [np.random.default_rng(0).normal(size=(1, side)).astype(np.float32) for side in (3, 5)]
    for expected, answered in zip(model(feeds), Runner(content).run(*feeds), strict=True):
        np.testing.assert_allclose(answered, expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_any_batch_runs_through_a_flatten_and_a_reshape(batch: int) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [tf_keras.Input((4, 4, 1)), layers.Flatten(), layers.Reshape((8, 2)), layers.Flatten(), layers.Dense(3)]
    )
    x = np.random.default_rng(0).normal(size=(batch, 4, 4, 1)).astype(np.float32)
    runner = Runner(to_flatbuffer(model), batch=batch)
    np.testing.assert_allclose(answer(runner, x), model(x), atol=1e-5)


def test_what_the_converter_refuses_is_said_in_one_paragraph() -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.errors import PipelineError
    from pipeline.models.backend import tf, tf_keras

    inverse = tf_keras.layers.Lambda(tf.linalg.inv)
    with pytest.raises(PipelineError, match="refuses 'odd'") as caught:
        to_flatbuffer(tf_keras.Sequential([tf_keras.Input((4, 4)), inverse], name="odd"))
    assert "\n" not in str(caught.value)


def test_what_cannot_have_an_open_batch_gets_one_of_one() -> None:
    """Loops over a sequence, and broadcasting to a shape with an open side."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras

    x = np.random.default_rng(0).normal(size=(3, 4, 4, 6)).astype(np.float32)
    inputs = tf_keras.Input((4, 4, 6))
    normal = tf_keras.layers.GroupNormalization(2)(inputs)
    model = tf_keras.Model(inputs, tf_keras.layers.GRU(3)(tf_keras.layers.Reshape((16, 6))(normal)))
    for made in (model, tf_keras.Model(inputs, normal)):
        content = to_flatbuffer(made)
        assert inspect(content).inputs[0].shape_signature == (1, 4, 4, 6)
        runner = Runner(content)
        answers = np.concatenate([answer(runner, example[None]) for example in x])
        np.testing.assert_allclose(answers, made.predict(x, verbose=0), atol=1e-5)


def test_a_loop_has_no_int8_form_and_the_way_out_is_said() -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.errors import InputError
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write

    def recurrent(unroll: bool) -> bytes:
        inputs = tf_keras.Input((5, 6))
        return to_flatbuffer(tf_keras.Model(inputs, tf_keras.layers.GRU(3, unroll=unroll)(inputs)))

    x = np.random.default_rng(0).normal(size=(3, 5, 6)).astype(np.float32)
    content = recurrent(unroll=False)
    with pytest.raises(InputError, match=r"WHILE.*unroll=True.*--dynamic"):
        write(content, "int8", calibrate(content, [{"x": x}]))
    for target in ("dynamic", "weight_only", "float16"):
        assert np.isfinite(answer(Runner(write(content, target)), x[:1])).all()
    unrolled = recurrent(unroll=True)
    assert np.isfinite(answer(Runner(write(unrolled, "int8", calibrate(unrolled, [{"x": x}])), batch=1), x)).all()
