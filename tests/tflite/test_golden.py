"""The golden pair: inputs from nothing but a shape and a type, and a checksum of the answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tensors import TensorSpec
from pipeline.tflite import golden, metadata
from pipeline.tflite.index_bounds import index_bounds
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.quantization import networks

EYE = tiny_models.linear(np.eye(3), dtype="int8")
IMAGE = TensorSpec("image", (1, 20, 17, 3), np.dtype(np.int8), 0.1, 0)


def test_the_inputs_are_shake_256_of_a_fixed_text() -> None:
    (array,) = golden.inputs(Runner(EYE).inputs, 2)
    stream = hashlib.shake_256(b"keras-int8-pipeline golden input 2 2 0").digest(3)
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
        golden.of({"golden": {"version": 3, "examples": 8, "input_sha256": "", "output_sha256": ""}})


def test_float_inputs_have_no_golden_values() -> None:
    with pytest.raises(InputError, match="holds float32"):
        golden.inputs(Runner(tiny_models.linear(np.eye(3))).inputs, 0)


def test_version_1_is_checked_as_it_was_written() -> None:
    """Checksums of a file that was written before there was a version 2."""
    found = golden.pair(EYE, version=1)
    assert found is not None
    assert found.version == 1
    (array,) = golden.inputs(Runner(EYE).inputs, 2, version=1)
    assert array.tobytes() == hashlib.shake_256(b"keras-int8-pipeline golden input 1 2 0").digest(3)
    assert found.input_sha256 == "0e67ed6bf01cbd765f3834b2d104b03243eb231c4e2a9df19728b3ce536de3d0"
    assert found.output_sha256 == "fe7a83cfb5154c5380632f7ccd4ee512c71520ada5584cf95c3d472d48fb4026"
    assert golden.of({"golden": found.to_json()}) == found
    assert found.input_sha256 != golden.pair(EYE).input_sha256  # type: ignore[union-attr]


def test_tokens_stay_within_their_table_and_flags_are_0_or_1() -> None:
    words = TensorSpec("words", (1, 500), np.dtype(np.int32))
    mask = TensorSpec("mask", (1, 500), np.dtype(np.bool_))
    tokens, flags = golden.inputs((words, mask), 0, bounds=[7, 2])
    assert (tokens.dtype, flags.dtype) == (np.int32, np.bool_)
    assert set(tokens.ravel().tolist()) == set(range(7))
    assert 200 < flags.sum() < 300
    stream = hashlib.shake_256(b"keras-int8-pipeline golden input 2 0 0").digest(2000)
    assert tokens[0, 3] == int.from_bytes(stream[12:16], "little") % 7


@pytest.mark.parametrize("network", ["two_inputs", "two_outputs", "sentences", "one_sentence"])
def test_any_inputs_and_outputs(network: str) -> None:
    content, x = networks.NETWORKS[network](), networks.inputs_of(network)
    int8 = write(content, "int8", calibrate(content, [x]))
    found = golden.pair(int8)
    assert found is not None
    runner, given, answered = Runner(int8), hashlib.sha256(), hashlib.sha256()
    for example in range(8):
        arrays = golden.inputs(runner.inputs, example, bounds=index_bounds(int8))
        given.update(b"".join(array.tobytes() for array in arrays))
        answered.update(b"".join(output.tobytes() for output in runner.run(*arrays)))
    assert (found.input_sha256, found.output_sha256) == (given.hexdigest(), answered.hexdigest())
    assert golden.pair(content) is None
    assert golden.pair(write(content, "int8", calibrate(content, [x]), "float32")) is None


def test_integers_out_of_a_float_network_have_none() -> None:
    """Its inputs and its output are integers, what it compares is not."""
    graph = tiny_models.Graph()
    words, table = graph.tensor("words", [1], "int32"), graph.tensor("table", [9, 4], data=np.eye(9, 4))
    rows, axis = graph.tensor("rows", [1, 4]), graph.tensor("axis", [], "int32", data=np.array(1))
    best = graph.tensor("best", [1], "int32")
    graph.operator("GATHER", [table, words], [rows], "GatherOptions", axis=0)
    graph.operator("ARG_MAX", [rows, axis], [best], "ArgMaxOptions", outputType=TensorType.INT32)
    assert golden.pair(graph.build([words], [best])) is None
