"""LSTMs that are not unrolled: one operator, in integers, that answers what float answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.quantization.formats import write
from pipeline.quantization.ptq import Settings, prepare
from pipeline.recipe import Keep
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests.answers import answer

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
STEPS, FEATURES = 12, 5
X = np.random.default_rng(0).normal(size=(24, STEPS, FEATURES)).astype(np.float32)


def model(kind: str) -> Any:
    from pipeline.models.backend import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    ends: dict[str, list[Any]] = {
        "last state": [layers.LSTM(8), layers.Dense(3)],
        "stacked": [layers.LSTM(8, return_sequences=True), layers.LSTM(6, return_sequences=True)],
        "both ways": [layers.Bidirectional(layers.LSTM(8)), layers.Dense(3)],
        "behind a convolution": [layers.Conv1D(8, 3, activation="relu"), layers.LSTM(8), layers.Dense(3)],
    }
    made = tf_keras.Sequential([tf_keras.Input((STEPS, FEATURES), name="x"), *ends[kind]])
    made.set_weights([weight * 2 for weight in made.get_weights()])
    return made


def operators(content: bytes) -> list[str]:
    return [operator.name for operator in inspect(content).operators]


def answers(content: bytes) -> Any:
    """One sequence after the other: what is kept of one must not reach the next."""
    runner = Runner(content)
    return np.concatenate([answer(runner, example[None]) for example in X])


@pytest.mark.parametrize("io", ["int8", "float32"])
@pytest.mark.parametrize("kind", ["last state", "stacked", "both ways", "behind a convolution"])
def test_it_computes_in_integers_and_answers_as_keras(kind: str, io: Any) -> None:
    source = model(kind)
    expected = source(X).numpy()
    content = import_float(source).content
    np.testing.assert_allclose(answers(content), expected, atol=1e-5)
    ranges = prepare(content, lambda: ({"x": example[None]} for example in X), Settings()).ranges
    written = write(content, "int8", ranges, io)
    floats = {operator.name for operator in inspect(written).float_operators}
    assert LSTM in operators(written)
    assert floats <= {"REVERSE_V2"}
    error = answers(written) - expected
    assert 10 * np.log10((expected**2).mean() / (error**2).mean()) > 28


def test_a_long_sequence_is_in_integers_too() -> None:
    from pipeline.models.backend import tf_keras

    tf_keras.utils.set_random_seed(0)
    source = tf_keras.Sequential([tf_keras.Input((100, 3), name="x"), tf_keras.layers.LSTM(4)])
    long = np.random.default_rng(1).normal(size=(4, 100, 3)).astype(np.float32)
    content = import_float(source).content
    ranges = prepare(content, lambda: ({"x": example[None]} for example in long), Settings()).ranges
    written = write(content, "int8", ranges)
    assert not inspect(written).float_operators
    error = np.concatenate([answer(Runner(written), one[None]) for one in long]) - source(long).numpy()
    assert np.abs(error).max() < 0.1


def test_one_that_is_kept_stays_float_among_integers() -> None:
    source = model("last state")
    content = import_float(source).content
    ranges = prepare(content, lambda: ({"x": example[None]} for example in X), Settings()).ranges
    written = write(content, "int8", ranges, keep=[Keep.model_validate({"type": LSTM})])
    assert {operator.name for operator in inspect(written).float_operators} == {LSTM}
    assert "WHILE" not in operators(written)


def test_qat_of_it_ends_in_integers_too() -> None:
    from pipeline.training.qat.apply import quantize_aware

    aware = quantize_aware(model("last state"))
    for _ in range(4):
        aware(X, training=True)
    imported = import_float(aware)
    # What the operator gives is every step's state; QAT learned the range of the last one alone.
    given = prepare(
        imported.content, lambda: ({"x": example[None]} for example in X), Settings(), given=imported.ranges
    )
    written = write(given.content, "int8", given.ranges)
    assert LSTM in operators(written)
    assert not inspect(written).float_operators
    assert np.abs(answers(written) - aware(X).numpy()).max() < 0.1 * np.abs(aware(X).numpy()).max()


@pytest.mark.parametrize("kind", ["GRU", "SimpleRNN", "masked LSTM"])
def test_what_has_no_such_operator_loops_and_the_advice_to_unroll_holds(kind: str) -> None:
    from pipeline.errors import InputError
    from pipeline.models.backend import tf_keras

    def made(unroll: bool) -> bytes:
        layers = tf_keras.layers
        inside = [layers.Masking()] if kind == "masked LSTM" else []
        own = getattr(layers, kind.removeprefix("masked "))(4, unroll=unroll)
        return import_float(tf_keras.Sequential([tf_keras.Input((STEPS, FEATURES), name="x"), *inside, own])).content

    looping = made(unroll=False)
    ranges = prepare(looping, lambda: ({"x": example[None]} for example in X), Settings()).ranges
    with pytest.raises(InputError, match=r"loop at run time.*unroll=True"):
        write(looping, "int8", ranges)
    unrolled = made(unroll=True)
    ranges = prepare(unrolled, lambda: ({"x": example[None]} for example in X), Settings()).ranges
    expected, found = answers(unrolled), answers(write(unrolled, "int8", ranges))
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
