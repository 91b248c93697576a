"""Operators that the writer leaves in float compute in integers, with the float operator's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.kernel_table import scheme
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
    "L2_NORMALIZATION": (SHAPE, "L2NormOptions", {}, []),
    "LEAKY_RELU": (SHAPE, "LeakyReluOptions", {"alpha": 0.2}, []),
    "LOG": SAME,
    "LOG_SOFTMAX": (SHAPE, "LogSoftmaxOptions", {}, []),
    "MINIMUM": (SHAPE, "MaximumMinimumOptions", {}, [("most", np.float32([0.5]))]),
    "PRELU": (SHAPE, "", {}, [("alpha", np.float32([[[0.3, 0.1, -0.2, 0.7]]]))]),
    "REDUCE_MAX": ([1, 4], "ReducerOptions", {"keepDims": False}, [("axes", ints(1, 2))]),
    "RELU6": SAME,
    "RELU_0_TO_1": SAME,
    "RELU_N1_TO_1": SAME,
    "REVERSE_V2": (SHAPE, "ReverseV2Options", {}, [("axes", ints(2))]),
    "SPACE_TO_BATCH_ND": (SHAPE, "SpaceToBatchNDOptions", {}, [("block", ints(1, 1)), ("pads", ints([0, 0], [0, 0]))]),
    "SQUEEZE": ([1, 4, 16], "SqueezeOptions", {"squeezeDims": ints(2)}, []),
    "TILE": ([1, 4, 8, 4], "TileOptions", {}, [("multiples", ints(1, 1, 2, 1))]),
}
COMPARISONS = {
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "GREATER_EQUAL": np.greater_equal,
    "LESS": np.less,
    "LESS_EQUAL": np.less_equal,
    "NOT_EQUAL": np.not_equal,
}
APART = {*COMPARISONS, "ARG_MAX", "ARG_MIN", "EMBEDDING_LOOKUP", "FILL", "SPLIT_V"}
"""Those that have tests of their own below."""
STEEP = {"EXP": 30, "L2_NORMALIZATION": 30, "LOG": 60}
"""How many steps of the output one step of the input may be worth."""
INPUT = {"SQUEEZE": [1, 4, 1, 16]}
X = np.random.default_rng(0).normal(0, 1.5, (16, *SHAPE[1:])).astype(np.float32)


def constant_values(kind: str) -> bool:
    return any(values.dtype == np.float32 for _, values in OPERATORS[kind][3])


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
    """x → the operator: its float answers are the model's. A logarithm has what is positive before it."""
    shape, options, fields, constants = OPERATORS[kind]
    graph = Graph()
    x, after = graph.tensor("x", INPUT.get(kind, SHAPE)), graph.tensor("after", shape)
    operands = [graph.tensor(name, list(v.shape), str(v.dtype), data=v) for name, v in constants]
    before = x
    if kind == "LOG":
        before = graph.tensor("before", SHAPE)
        graph.operator("LOGISTIC", [x], [before])
    graph.operator(kind, [before, *operands], [after], options, **fields)
    return graph.build([x], [after])


def test_every_kernel_is_tried() -> None:
    assert {*OPERATORS, *APART} == set(KERNELS)


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
    assert np.abs(answered - expected).max() <= 3 * STEEP.get(kind, 1) * max(steps)


@pytest.mark.parametrize(
    "kind", sorted(kind for kind in OPERATORS if scheme(kind, "int16") and not constant_values(kind))
)
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


def compared(kind: str, threshold: float, scale: float = 1.0) -> bytes:
    """x → TANH · scale, an output; whether it is over (under …) a threshold is another one."""
    graph = Graph()
    x, before, wide = (graph.tensor(name, SHAPE) for name in ("x", "before", "wide"))
    factor = graph.tensor("factor", [], data=np.float32(scale))
    limit, truth = graph.tensor("limit", [], data=np.float32(threshold)), graph.tensor("truth", SHAPE, "bool")
    graph.operator("TANH", [x], [before])
    graph.operator("MUL", [before, factor], [wide], "MulOptions")
    graph.operator(kind, [wide, limit], [truth], f"{kind.title().replace('_', '')}Options")
    return graph.build([x], [wide, truth])


@pytest.mark.parametrize("kind", sorted(COMPARISONS))
@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_values_are_compared_as_integers(kind: str, threshold: float) -> None:
    content = compared(kind, threshold)
    written = write(content, "int8", ranges_of(content))
    require(inspect(written), "int8")
    values, truth = Runner(written)({"x": X}).real.values()
    certain = np.abs(values - threshold) > 0.02  # of the others, their rounding decides
    np.testing.assert_array_equal(truth[certain], COMPARISONS[kind](values, np.float32(threshold))[certain])
    assert certain.mean() > 0.9


@pytest.mark.parametrize("kind", sorted(COMPARISONS))
def test_values_in_steps_of_more_than_one_are_compared_in_float(kind: str) -> None:
    """The kernel ends the process at a scale of 1 and more."""
    content = compared(kind, 30.0, scale=1000)
    written = write(content, "int8", ranges_of(content))
    assert [op.name for op in inspect(written).float_operators] == [kind]
    values, truth = Runner(written)({"x": X}).real.values()
    np.testing.assert_array_equal(truth, COMPARISONS[kind](values, np.float32(30)))


def test_parts_of_different_sizes() -> None:
    graph = Graph()
    x, first, second = (
        graph.tensor("x", SHAPE),
        graph.tensor("first", [1, 4, 1, 4]),
        graph.tensor("second", [1, 4, 3, 4]),
    )
    sizes, axis = graph.tensor("sizes", [2], "int32", data=ints(1, 3)), graph.tensor("axis", [], "int32", data=ints(2))
    graph.operator("SPLIT_V", [x, sizes, axis], [first, second], "SplitVOptions", numSplits=2)
    content = graph.build([x], [first, second])
    written = write(content, "int8", ranges_of(content))
    require(found := inspect(written), "int8")
    assert list(found.operator_counts) == ["SPLIT_V"]
    for name, part in Runner(written)({"x": X}).real.items():
        expected = X[:, :, :1] if name == "first" else X[:, :, 1:]
        assert np.abs(part - expected).max() <= found.inputs[0].scale


def test_what_is_filled_with_a_constant_is_filled_with_integers() -> None:
    """As the first state of a recurrent layer is, where the batch is open."""
    graph = Graph()
    x, y, state = (graph.tensor(name, SHAPE) for name in ("x", "y", "state"))
    size = graph.tensor("size", [4], "int32")
    graph.operator("SHAPE", [x], [size], "ShapeOptions", outType=TensorType.INT32)
    graph.operator("FILL", [size, graph.tensor("value", [], data=np.float32(0.5))], [state], "FillOptions")
    graph.operator("ADD", [x, state], [y], "AddOptions")
    content = graph.build([x], [y])
    written = write(content, "int8", ranges_of(content))
    require(inspect(written), "int8")
    assert np.abs(answers(written) - answers(content)).max() <= 3 * inspect(written).outputs[0].scale
