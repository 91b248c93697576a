"""The golden pair: inputs from nothing but a shape and a type, and a checksum of the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.tflite import golden, metadata
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner
from tests import tiny_models

EYE = tiny_models.linear(np.eye(3), dtype="int8")
IMAGE = TensorSpec("image", (1, 20, 17, 3), np.dtype(np.int8), 0.1, 0)


def test_the_inputs_are_shake_256_of_a_fixed_text() -> None:
    (array,) = golden.inputs(Runner(EYE).inputs, 2)
    stream = hashlib.shake_256(b"keras-int8-pipeline golden input 1 2 0").digest(3)
    assert array.tobytes() == stream
    assert (array.shape, array.dtype) == ((1, 3), np.int8)


def test_every_other_image_is_coarse() -> None:
    (fine,), (coarse,) = (golden.inputs((IMAGE,), example) for example in (0, 1))
    assert fine.shape == coarse.shape == IMAGE.shape
    assert len(np.unique(fine[0, :8, :8, 0])) > 16
    assert len(np.unique(coarse[0, :8, :8, 0])) == 1
    assert coarse[0, 0, 0, 0] != coarse[0, 8, 0, 0]


def test_examples_and_inputs_differ() -> None:
    two = (IMAGE, IMAGE)
    arrays = [*golden.inputs(two, 0), *golden.inputs(two, 2)]
    assert len({array.tobytes() for array in arrays}) == 4


def test_the_checksums_are_over_inputs_and_answers_in_turn() -> None:
    found = golden.pair(EYE)
    assert found is not None
    given = b"".join(array.tobytes() for k in range(8) for array in golden.inputs(Runner(EYE).inputs, k))
    assert found.input_sha256 == hashlib.sha256(given).hexdigest()
    stored = np.frombuffer(given, np.int8).astype(int)
    # y = x: scale 1/4, zero −3 → scale 1/2, zero 5, halves away from zero or to even.
    halves = (stored + 3) / 2
    answers = b"".join(Runner(EYE).run(*golden.inputs(Runner(EYE).inputs, k))[0].tobytes() for k in range(8))
    assert np.abs(np.frombuffer(answers, np.int8) - np.clip(halves + 5, -128, 127)).max() <= 0.5
    assert found.output_sha256 == hashlib.sha256(answers).hexdigest()


def test_metadata_do_not_change_it() -> None:
    assert golden.pair(metadata.write(EYE, Metadata("eye", labels=("a", "b", "c")))) == golden.pair(EYE)


def test_other_weights_have_another() -> None:
    first, second = golden.pair(EYE), golden.pair(tiny_models.linear(np.eye(3)[::-1].copy(), dtype="int8"))
    assert first is not None
    assert second is not None
    assert first.input_sha256 == second.input_sha256
    assert first.output_sha256 != second.output_sha256


@pytest.mark.parametrize(("name", "expected"), [("int8", True), ("int8_uint8_io", True), ("int8_float_io", False)])
def test_only_models_of_bytes_have_one(variant: Callable[[str], Path], name: str, expected: bool) -> None:
    assert (golden.pair(variant(name)) is not None) == expected


def test_it_survives_json() -> None:
    found = golden.pair(EYE)
    assert found is not None
    assert golden.of({"golden": found.to_json()}) == found
    assert golden.of({}) is None


def test_what_this_version_does_not_know() -> None:
    with pytest.raises(InputError, match="not one that this version knows"):
        golden.of({"golden": {"version": 2, "examples": 8, "input_sha256": "", "output_sha256": ""}})


def test_float_inputs_have_no_golden_values() -> None:
    with pytest.raises(InputError, match="holds float32"):
        golden.inputs(Runner(tiny_models.linear(np.eye(3))).inputs, 0)
