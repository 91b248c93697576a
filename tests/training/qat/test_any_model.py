"""QAT of models that are no image classifiers: each ends in full int8 that computes what was trained.

Named inputs and outputs, tokens, sequences, recurrent steps, open sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Ended:
    """A QAT model after two steps, and its int8 file."""

    model: Any
    aware: Any
    content: bytes
    inputs: dict[str, np.ndarray]


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def two_inputs(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """An image and numbers of another scale, in another order than they are given in."""
    image, table = keras.Input((8, 8, 3), name="image"), keras.Input((5,), name="table")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    both = keras.layers.Concatenate()([x, keras.layers.Dense(8, activation="relu")(table)])
    answer = keras.layers.Dense(4, activation="softmax", name="answer")(both)
    return keras.Model([image, table], answer), {"table": 9 * normal(64, 5), "image": normal(64, 8, 8, 3)}


def two_outputs(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    outputs = [keras.layers.Dense(4, activation="softmax", name="kind")(x), keras.layers.Dense(2, name="place")(x)]
    return keras.Model(image, outputs), {"image": normal(64, 8, 8, 3)}


def autoencoder(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    x = inputs = keras.Input((64,), name="x")
    for units in (32, 8, 32):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(units)(x)))
    return keras.Model(inputs, keras.layers.Dense(64, name="again")(x)), {"x": normal(64, 64)}


def keyword_spotter(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    layers, frames = keras.layers, keras.Input((40, 10), name="frames")
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(16, 3, padding="same")(frames)))
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(16, 3, activation="relu")(layers.MaxPooling1D()(x)))
    return keras.Model(frames, layers.Dense(6, activation="softmax", name="word")(x)), {"frames": normal(64, 40, 10)}


def lstm(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    steps = keras.Input((5, 6), name="steps")
    x = keras.layers.LSTM(8, unroll=True)(steps)
    return keras.Model(steps, keras.layers.Dense(3, name="next")(x)), {"steps": normal(64, 5, 6)}


def tokens(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    layers, words = keras.layers, keras.Input((12,), dtype="int32", name="words")
    x = layers.Conv1D(8, 3, activation="relu")(layers.Embedding(50, 8, embeddings_initializer="normal")(words))
    answer = layers.Dense(3, activation="softmax", name="mood")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(words, answer), {"words": RNG.integers(0, 50, (64, 12)).astype(np.int32)}


def float_tokens(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Keras's `Input` is float32 where nothing is said."""
    words = keras.Input((12,), name="words")
    x = keras.layers.Flatten()(keras.layers.Embedding(50, 4, embeddings_initializer="normal")(words))
    given = RNG.integers(0, 50, (64, 12)).astype(np.float32)
    return keras.Model(words, keras.layers.Dense(3, name="mood")(x)), {"words": given}


def open_sides(keras: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """A transposed convolution leaves its ReLU an operator of its own."""
    layers, photo = keras.layers, keras.Input((None, None, 3), name="photo")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(photo)
    x = layers.Conv2DTranspose(4, 2, strides=2, activation="relu")(x)
    mask = layers.Conv2D(2, 1, activation="softmax", name="mask")(x)
    return keras.Model(photo, mask), {"photo": normal(64, 16, 16, 3)}


MODELS: tuple[Callable[[Any], tuple[Any, dict[str, np.ndarray]]], ...] = (
    *(two_inputs, two_outputs, autoencoder, keyword_spotter, lstm, tokens, float_tokens, open_sides),
)


@pytest.fixture(scope="module")
def ended() -> Callable[[Any], Ended]:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.recipe import Qat
    from pipeline.tflite.global_pooling import mean_for_global_pooling
    from pipeline.training.qat.fine_tune import fine_tune
    from tests.training.tasks import Arrays, Unjudged

    made: dict[str, Ended] = {}

    def of(kind: Callable[[Any], tuple[Any, dict[str, np.ndarray]]]) -> Ended:
        if kind.__name__ not in made:
            tf_keras.utils.set_random_seed(0)
            model, inputs = kind(tf_keras)
            data: Any = Arrays(inputs, {})
            aware, _ = fine_tune(model, data, Qat(epochs=1, batch_size=16), Unjudged(*model.output_names))
            prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
            content = write(mean_for_global_pooling(prepared), "int8", learned)
            made[kind.__name__] = Ended(model, aware, content, inputs)
        return made[kind.__name__]

    return of


SLOW = (autoencoder, keyword_spotter, open_sides)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind in SLOW else (), id=kind.__name__) for kind in MODELS],
)
def test_it_ends_in_int8_that_answers_as_the_fake_quant_model(kind: Any, ended: Callable[[Any], Ended]) -> None:
    from pipeline.models.predictor import KerasPredictor
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.kernels import open_runner

    found = ended(kind)
    verdict = inspect(found.content).verdict
    as_they_are = ", int32 inputs as they are" if "tokens" in kind.__name__ else ""
    assert verdict.text == f"full int8, per-channel{as_they_are}", verdict.breaks
    runner = open_runner(found.content, batch=16)
    assert {spec.name for spec in runner.signature.inputs} == set(found.inputs)
    assert [spec.name for spec in runner.signature.outputs] == found.model.output_names
    answers, expected = runner(found.inputs), KerasPredictor(found.aware)(found.inputs)
    for name, values in answers.real.items():
        step = answers.specs[name].scale
        assert step is not None
        assert (np.abs(values - expected.real[name]) < step / 2).mean() >= 0.99, name


def test_tokens_are_fed_as_they_are(ended: Callable[[Any], Ended]) -> None:
    from pipeline.tflite.kernels import open_runner
    from pipeline.training.qat.range_variables import input_quantizers

    for kind in (tokens, float_tokens):
        found = ended(kind)
        [spec] = open_runner(found.content).signature.inputs
        assert (spec.dtype, spec.scale) == (np.dtype(np.int32), None)
        assert input_quantizers(found.aware) == {}


def test_an_embeddings_output_has_the_range_of_its_whole_table(ended: Callable[[Any], Ended]) -> None:
    """No example needs to have had the word."""
    from pipeline.training.qat.range_variables import ranges

    found = ended(tokens)
    wrapper = next(layer for layer in found.aware.layers if "embedding" in layer.name)
    table = wrapper.layer.embeddings.numpy()
    assert ranges(found.aware)[wrapper.name] == pytest.approx((table.min(), table.max()))


def test_each_float_input_begins_with_the_datas_range(ended: Callable[[Any], Ended]) -> None:
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    found = ended(two_inputs)
    wrappers = input_quantizers(found.aware)
    assert list(wrappers) == ["image", "table"]
    for name, wrapper in wrappers.items():
        low, high = ranges(found.aware)[wrapper]
        assert low <= found.inputs[name][:32].min()
        assert high >= found.inputs[name][:32].max()
        assert high - low < 2 * np.ptp(found.inputs[name])


def test_a_saved_model_keeps_its_names_and_answers(ended: Callable[[Any], Ended], tmp_path: Any) -> None:
    from pipeline.models.load import load_file
    from pipeline.models.predictor import KerasPredictor

    found = ended(two_outputs)
    found.aware.save(tmp_path / "qat.h5")
    again, before = (KerasPredictor(model)(found.inputs) for model in (load_file(tmp_path / "qat.h5"), found.aware))
    assert list(again.real) == ["kind", "place"]
    for name, values in before.real.items():
        np.testing.assert_array_equal(again.real[name], values)
