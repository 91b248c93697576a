"""A model made quantization-aware: what is rounded, what stays, and what it answers once saved or converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from tests.answers import answer


@pytest.fixture(scope="module")
def aware() -> Any:
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    return quantize_aware(model())


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


def test_the_converters_int8_and_ours_agree(aware: Any) -> None:
    """From QAT to a .tflite: fake-quantization as TFLite runs it, and the learned ranges on the float flatbuffer."""
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
    np.testing.assert_allclose(answer(Runner(simulated), x), expected, atol=1e-5)
    # Softmax answers in steps of 1/256; a step or two of rounding is what int8 may differ by.
    assert np.abs(answer(Runner(int8), x) - expected).max() <= 3 / 256


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


def test_a_subclassed_model_that_was_never_called_is_sent_to_ptq() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.apply import quantize_aware

    class Mine(tf_keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InputError, match="--ptq"):
        quantize_aware(Mine())
