"""A Keras model answers batches by name, as a .tflite does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def k(request: pytest.FixtureRequest) -> Any:
    from pipeline.models.backend import tf_keras

    if request.param == 2:
        return tf_keras
    import keras

    return keras


@pytest.fixture
def sums(k: Any) -> Any:
    """`total` = left + right, `tokens` in int32 as they are."""
    left, right = k.Input((3,), name="left"), k.Input((3,), name="right")
    tokens = k.Input((2,), dtype="int32", name="tokens")
    return k.Model(
        [left, right, tokens], [k.layers.Add(name="total")([left, right]), k.layers.Flatten(name="same")(tokens)]
    )


def feed(count: int) -> dict[str, np.ndarray]:
    rows = np.arange(count, dtype=np.float32)[:, None]
    return {
        "tokens": np.repeat(rows, 2, axis=1).astype(np.int32),
        "right": np.repeat(rows, 3, axis=1),
        "left": np.ones((count, 3)),
    }


@pytest.mark.parametrize("count", [0, 1, 7, 128, 131])
def test_any_number_of_examples_by_name_in_any_order(count: int, sums: Any) -> None:
    from pipeline.models.predictor import KerasPredictor

    x = feed(count)
    answered = KerasPredictor(sums)(x)
    assert len(answered) == count
    np.testing.assert_array_equal(answered.real["total"], (x["left"] + x["right"]).astype(np.float32))
    np.testing.assert_array_equal(answered.real["same"], x["tokens"])
    assert answered.specs["same"].dtype == np.int32


def test_one_input_is_taken_whatever_it_is_called_and_new_weights_count(k: Any) -> None:
    from pipeline.models.predictor import KerasPredictor

    model = k.Sequential([k.Input((2,)), k.layers.Dense(1, use_bias=False, name="y")])
    predictor = KerasPredictor(model)
    for factor in (1.0, 3.0):
        model.set_weights([np.full((2, 1), factor, np.float32)])
        assert predictor({"anything": np.ones((1, 2), np.float32)}).real["y"].item() == 2 * factor


def test_open_dimensions_take_what_they_are_given(k: Any) -> None:
    from pipeline.models.predictor import KerasPredictor

    inputs = k.Input((None, 2), name="steps")
    predictor = KerasPredictor(k.Model(inputs, k.layers.ReLU(name="y")(inputs)))
    for steps in (1, 5):
        assert predictor({"steps": np.ones((3, steps, 2), np.float32)}).real["y"].shape == (3, steps, 2)


def test_a_fixed_batch_is_filled_up() -> None:
    import keras

    from pipeline.models.backend import tf
    from pipeline.models.predictor import KerasPredictor

    fixed = keras.layers.Lambda(lambda x: tf.reshape(x, (4, 2)) * 2.0, output_shape=(2,))
    predictor = KerasPredictor(keras.Sequential([keras.Input(batch_shape=(4, 2)), fixed]))
    for count in (1, 4, 6):
        x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
        [answered] = predictor({"x": x}).real.values()
        np.testing.assert_array_equal(answered, 2 * x)


def test_what_the_model_does_not_take_is_said(sums: Any) -> None:
    from pipeline.models.predictor import KerasPredictor

    predictor, x = KerasPredictor(sums), feed(2)
    with pytest.raises(InputError, match=r"no input 'rigt'.*Did you mean 'right'"):
        predictor({"left": x["left"], "rigt": x["right"], "tokens": x["tokens"]})
    with pytest.raises(InputError, match=r"'right' is not given"):
        predictor({"left": x["left"], "tokens": x["tokens"]})
    with pytest.raises(InputError, match=r"takes \[3\] as 'left' and was given \[4\]"):
        predictor({**x, "left": np.ones((2, 4))})
    with pytest.raises(InputError, match="'tokens' takes int32 as it is"):
        predictor({**x, "tokens": np.full((2, 2), 0.5)})
    with pytest.raises(InputError, match="different numbers of examples"):
        predictor({**x, "left": np.ones((3, 3))})


def test_an_output_that_mixes_the_examples_is_refused(k: Any) -> None:
    from pipeline.models.backend import tf
    from pipeline.models.predictor import KerasPredictor

    class Mean(k.Model):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return tf.reduce_mean(x, axis=0)

    model = Mean()
    model(np.ones((2, 4), np.float32))
    with pytest.raises(InputError, match=r"gives \[4\] as 'output_0' for 3 examples"):
        KerasPredictor(model)({"x": np.ones((3, 4), np.float32)})


def test_a_model_that_fails_is_named(k: Any) -> None:
    from pipeline.models.backend import tf
    from pipeline.models.predictor import KerasPredictor

    class Picky(k.Model):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            with tf.control_dependencies([tf.debugging.assert_positive(x)]):
                return tf.identity(x)

    model = Picky(name="picky")
    model(np.ones((2, 4), np.float32))
    with pytest.raises(PipelineError, match="The model 'picky' failed while it ran"):
        KerasPredictor(model)({"x": -np.ones((2, 4), np.float32)})
