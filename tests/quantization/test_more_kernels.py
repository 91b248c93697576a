"""Operators that the writer leaves in float compute in integers, with the float operator's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.more_kernels import KERNELS
from pipeline.quantization.ranges import Ranges
from pipeline.recipe import Keep
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.verdict import require
from tests.answers import answer
from tests.quantization import networks
from tests.tiny_models import Graph

SHAPE = [1, 4, 4, 4]
Operator = tuple[list[int], str, dict[str, Any], list[tuple[str, np.ndarray]]]
"""Shape of the output, options, their fields, and constant operands."""
SAME: Operator = (SHAPE, "", {}, [])


def ints(*values: object) -> np.ndarray:
    return np.array(values, np.int32)


OPERATORS: dict[str, Operator] = {
    "ABS": SAME,
    "BATCH_TO_SPACE_ND": (SHAPE, "BatchToSpaceNDOptions", {}, [("block", ints(1, 1)), ("crops", ints([0, 0], [0, 0]))]),
    "DEPTH_TO_SPACE": ([1, 8, 8, 1], "DepthToSpaceOptions", {"blockSize": 2}, []),
    "ELU": SAME,
    "EXP": SAME,
    "EXPAND_DIMS": ([1, 4, 1, 4, 4], "ExpandDimsOptions", {}, [("axis", ints(2))]),
    "LEAKY_RELU": (SHAPE, "LeakyReluOptions", {"alpha": 0.2}, []),
    "MINIMUM": (SHAPE, "MaximumMinimumOptions", {}, [("most", np.float32([0.5]))]),
    "PRELU": (SHAPE, "", {}, [("alpha", np.float32([[[0.3, 0.1, -0.2, 0.7]]]))]),
    "REDUCE_MAX": ([1, 4], "ReducerOptions", {"keepDims": False}, [("axes", ints(1, 2))]),
    "RELU6": SAME,
    "RELU_N1_TO_1": SAME,
    "SPACE_TO_BATCH_ND": (SHAPE, "SpaceToBatchNDOptions", {}, [("block", ints(1, 1)), ("pads", ints([0, 0], [0, 0]))]),
    "SQUEEZE": ([1, 4, 16], "SqueezeOptions", {"squeezeDims": ints(2)}, []),
}
INPUT = {"SQUEEZE": [1, 4, 1, 16]}
X = np.random.default_rng(0).normal(0, 1.5, (16, *SHAPE[1:])).astype(np.float32)


def between_layers(kind: str) -> bytes:
    """x → LOGISTIC → the operator → TANH."""
    shape, options, fields, constants = OPERATORS[kind]
    graph = Graph()
    x, before = (graph.tensor(name, INPUT.get(kind, SHAPE)) for name in ("x", "before"))
    graph.operator("LOGISTIC", [x], [before])
    operands = [graph.tensor(name, list(v.shape), str(v.dtype), data=v) for name, v in constants]
    after, end = graph.tensor("after", shape), graph.tensor("end", shape)
    graph.operator(kind, [before, *operands], [after], options, **fields)
    graph.operator("TANH", [after], [end])
    return graph.build([x], [end])


def last(kind: str) -> bytes:
    """x → the operator: its float answers are the model's."""
    shape, options, fields, constants = OPERATORS[kind]
    graph = Graph()
    x, after = graph.tensor("x", INPUT.get(kind, SHAPE)), graph.tensor("after", shape)
    operands = [graph.tensor(name, list(v.shape), str(v.dtype), data=v) for name, v in constants]
    graph.operator(kind, [x, *operands], [after], options, **fields)
    return graph.build([x], [after])


def test_every_kernel_is_tried() -> None:
    assert {*OPERATORS, "ARG_MAX", "ARG_MIN", "EMBEDDING_LOOKUP"} == set(KERNELS)


def ranges_of(content: bytes) -> Ranges:
    return calibrate(content, [{"x": X.reshape(-1, *Runner(content).inputs[0].shape[1:])}])


def answers(content: bytes) -> np.ndarray:
    runner = Runner(content)
    return np.stack([answer(runner, x.reshape(runner.inputs[0].shape)) for x in X])


@pytest.mark.parametrize("kind", sorted(OPERATORS))
@pytest.mark.parametrize("place", [between_layers, last])
def test_the_answers_are_the_float_operators(kind: str, place: Any) -> None:
    content = place(kind)
    written = write(content, "int8", ranges_of(content))
    found = inspect(written)
    require(found, "int8")
    assert found.operator_counts[kind] == 1
    expected, answered = answers(content), answers(written)
    steps = (port.scale or 0.0 for port in (*found.inputs, *found.outputs))
    steepness = 30 if kind == "EXP" else 1
    assert np.abs(answered - expected).max() <= 3 * steepness * max(steps)


@pytest.mark.parametrize("kind", sorted(kind for kind, kernel in KERNELS.items() if kernel.int16))
def test_with_int16_activations_too(kind: str) -> None:
    content = between_layers(kind)
    written = write(content, "int16x8", ranges_of(content))
    require(inspect(written), "int16x8")
    expected = answers(content)
    assert np.abs(answers(written) - expected).max() <= 0.002 * np.ptp(expected)


def test_a_detour_stays_where_no_kernel_takes_int16() -> None:
    content = between_layers("ELU")
    written = write(content, "int16x8", ranges_of(content))
    assert "computes in float32" in " ".join(inspect(written).verdict.breaks)
    assert np.abs(answers(written) - answers(content)).max() < 0.01


def test_a_kept_operator_stays_in_float() -> None:
    content = between_layers("LEAKY_RELU")
    written = write(content, "int8", ranges_of(content), keep=[Keep(type="LEAKY_RELU")])
    assert [op.name for op in inspect(written).float_operators] == ["LEAKY_RELU"]


def test_two_in_a_row() -> None:
    graph = Graph()
    tensors = [graph.tensor(name, SHAPE) for name in ("x", "a", "b", "c", "end")]
    graph.operator("TANH", tensors[0:1], tensors[1:2])
    graph.operator("LEAKY_RELU", tensors[1:2], tensors[2:3], "LeakyReluOptions", alpha=0.2)
    graph.operator("ABS", tensors[2:3], tensors[3:4])
    graph.operator("TANH", tensors[3:4], tensors[4:5])
    content = graph.build(tensors[:1], tensors[-1:])
    written = write(content, "int8", ranges_of(content))
    require(inspect(written), "int8")
    assert inspect(written).operator_counts.get("DEQUANTIZE", 0) == 0
    assert np.abs(answers(written) - answers(content)).max() < 0.03


def place_of(kind: str) -> bytes:
    """x → TANH, an output, whose ARG_MAX or ARG_MIN over the last axis is another one."""
    graph = Graph()
    x, before = (graph.tensor(name, SHAPE) for name in ("x", "before"))
    axis, place = graph.tensor("axis", [], "int32", data=np.array(3)), graph.tensor("place", SHAPE[:3], "int64")
    graph.operator("TANH", [x], [before])
    options = "ArgMaxOptions" if kind == "ARG_MAX" else "ArgMinOptions"
    graph.operator(kind, [before, axis], [place], options, outputType=TensorType.INT64)
    return graph.build([x], [before, place])


@pytest.mark.parametrize("kind", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize("io_type", ["int8", "uint8", "float32"])
def test_places_are_read_off_integers_and_stay_int64(kind: str, io_type: Any) -> None:
    content = place_of(kind)
    written = write(content, "int8", ranges_of(content), io_type)
    found = inspect(written)
    assert not found.float_operators
    assert [port.dtype for port in found.outputs] == [io_type, "int64"]
    require(found, "int8_float_io" if io_type == "float32" else "int8")
    values, places = Runner(written)({"x": X}).real.values()
    np.testing.assert_array_equal(places, values.argmax(-1) if kind == "ARG_MAX" else values.argmin(-1))
    assert np.abs(values - Runner(content)({"x": X}).real["before"]).max() < 0.03


def test_rows_of_a_table_have_the_scale_that_their_reader_asks_for() -> None:
    content, x = networks.one_sentence(), networks.inputs_of("one_sentence")
    found = inspect(written := write(content, "int8", calibrate(content, [x])))
    require(found, "int8")
    assert list(found.operator_counts) == ["EMBEDDING_LOOKUP", "FULLY_CONNECTED"]
    expected, answered = (Runner(model)(x).real["y"] for model in (content, written))
    assert np.abs(answered - expected).max() <= 3 * (found.outputs[0].scale or 0)


def test_a_table_that_is_kept_stays_in_float() -> None:
    content, x = networks.one_sentence(), networks.inputs_of("one_sentence")
    written = write(content, "int8", calibrate(content, [x]), keep=[Keep(type="EMBEDDING_LOOKUP")])
    assert [op.name for op in inspect(written).float_operators] == ["EMBEDDING_LOOKUP"]
