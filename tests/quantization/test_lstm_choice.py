"""An LSTM is int8 where that answers as float does, and stays in float, said, where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.quantization.float_comparison import FloatComparison
from pipeline.quantization.formats import write
from pipeline.quantization.keep import parse
from pipeline.quantization.lstm_choice import LstmChoice, keep_inaccurate
from pipeline.quantization.ptq import Quantizer, Settings, prepare
from pipeline.quantization.sequence_lstm import NAME
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tensors import Tensors
from pipeline.tflite.inspect import inspect

STEPS, FEATURES = 8, 5
X = np.random.default_rng(0).normal(size=(24, STEPS, FEATURES)).astype(np.float32)
X[:, :, 0] = 0
SPOILING = 500.0
"""A weight for the input that is always 0: beside it, 8 bits hold nothing of the other weights."""


def inputs() -> Iterator[Tensors]:
    return ({"x": example[None]} for example in X)


def model(*spoiled: str) -> bytes:
    """Two LSTMs and a head, with weights that int8 cannot hold in those that are named."""
    from pipeline.models.backend import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    x = tf_keras.Input((STEPS, FEATURES), name="x")
    both = [layers.LSTM(8, name=name)(x) for name in ("first", "second")]
    made = tf_keras.Model(x, layers.Dense(3)(layers.concatenate(both)))
    for name in spoiled:
        kernel, *others = made.get_layer(name).get_weights()
        kernel[0] = SPOILING
        made.get_layer(name).set_weights([kernel, *others])
    return import_float(made).content


@pytest.fixture(scope="module")
def one_spoiled() -> bytes:
    return model("second")


def chosen(content: bytes, *rules: str) -> LstmChoice:
    quantizer = Quantizer(prepare(content, inputs, Settings()), inputs, Settings())
    return keep_inaccurate(quantizer, inputs, Fidelity(), [parse(rule) for rule in rules])


def test_the_one_that_int8_spoils_stays_in_float_and_the_reason_has_the_numbers(one_spoiled: bytes) -> None:
    found = chosen(one_spoiled)
    [rule] = found.rules
    assert str(rule).endswith("=float32")
    assert f"the LSTM {rule.match} stays in float" in found.reason
    assert "24 calibration examples" in found.reason
    ranges = prepare(one_spoiled, inputs, Settings()).ranges
    written = write(one_spoiled, "int8", ranges, keep=found.rules)
    computed = {operator.compute for operator in inspect(written).operators if operator.name == NAME}
    assert computed == {"int8", "float32"}
    compare = FloatComparison(one_spoiled, inputs(), Fidelity(), 1)
    assert compare(write(one_spoiled, "int8", ranges)).sqnr_db < 15 < 25 < compare(written).sqnr_db


def test_both_that_int8_spoils_stay_in_float() -> None:
    assert len(chosen(model("first", "second")).rules) == 2


def test_what_int8_holds_is_int8_and_nothing_is_said() -> None:
    assert chosen(model()) == LstmChoice()


def test_what_the_user_says_is_not_measured_against(one_spoiled: bytes) -> None:
    assert chosen(one_spoiled, f"type:{NAME}=int8") == LstmChoice()
    assert chosen(one_spoiled, f"type:{NAME}=float32") == LstmChoice()


def test_it_is_kept_as_json(one_spoiled: bytes) -> None:
    found = chosen(one_spoiled)
    assert LstmChoice.from_json(found.to_json()) == found
    assert LstmChoice.from_json({}) == LstmChoice()


def test_an_export_writes_it_so_and_says_why(one_spoiled: bytes) -> None:
    import pipeline

    found: Any = pipeline.quantize(one_spoiled, X, calibration="min_max")
    assert "in float" in found.kept
    assert found.kept in str(found)
    assert [operator.name for operator in found.inspection.float_operators] == [NAME]
    assert found.measured.compared.sqnr_db > 20
