"""Operators without an integer kernel are written as such that have one, with the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tflite.inspect import inspect
from pipeline.tflite.plain_operators import plain_operators
from pipeline.tflite.runner import Runner
from tests.tiny_models import Graph

SHAPE = [1, 4, 3]
X = np.random.default_rng(0).normal(0, 1.5, (8, 4, 3)).astype(np.float32)


def one(kind: str, options: str = "", operand: object = None, **fields: Any) -> bytes:
    """x → the operator → y, with a constant operand where it has one."""
    graph = Graph()
    x, y = (graph.tensor(name, SHAPE, open_batch=True) for name in ("x", "y"))
    values = None if operand is None else np.asarray(operand, np.float32)
    operands = [] if values is None else [graph.tensor("operand", list(values.shape), data=values)]
    graph.operator(kind, [x, *operands], [y], options, **fields)
    return graph.build([x], [y])


def answers(content: bytes) -> np.ndarray:
    [y] = Runner(content)({"x": X}).real.values()
    return y


@pytest.mark.parametrize(
    "content",
    [
        one("SQUARE", "SquareOptions"),
        one("NEG", "NegOptions"),
        one("ZEROS_LIKE", "ZerosLikeOptions"),
        one("POW", "PowOptions", 2),
        one("DIV", "DivOptions", 3),
        one("DIV", "DivOptions", [0.1, -7, 30], fusedActivationFunction=1),
    ],
    ids=["square", "negative", "zeros", "power of 2", "quotient by 3", "quotient by each channel's own, with ReLU"],
)
def test_they_are_products(content: bytes) -> None:
    plain = plain_operators(content)
    assert inspect(plain).operator_counts == {"MUL": 1}
    np.testing.assert_allclose(answers(plain), answers(content), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "content",
    [one("DIV", "DivOptions", [1, 0, 2]), one("POW", "PowOptions", 3), one("ABS")],
    ids=["divided by zero", "cube", "has a kernel of its own"],
)
def test_others_stay(content: bytes) -> None:
    assert plain_operators(content) == content


def quotient(divisor: str) -> bytes:
    """x divided by something made of it."""
    graph = Graph()
    x, square, total, made, y = (
        graph.tensor(name, SHAPE if name in ("x", "square", "y") else [1, 4, 1], open_batch=True)
        for name in ("x", "square", "total", "made", "y")
    )
    axis = graph.tensor("axis", [1], "int32", data=np.array([-1]))
    kind, options = ("ADD", "AddOptions") if divisor == "twice" else ("MUL", "MulOptions")
    graph.operator(kind, [x, x], [square], options)
    graph.operator("SUM", [square, axis], [total], "ReducerOptions", keepDims=True)
    if divisor == "norm":
        graph.operator("SQRT", [total], [made])
    graph.operator("DIV", [x, made if divisor == "norm" else total], [y], "DivOptions")
    return graph.build([x], [y])


@pytest.mark.parametrize("divisor", ["norm", "sum of squares"])
def test_a_quotient_by_what_is_never_negative_is_two_products(divisor: str) -> None:
    content = quotient(divisor)
    plain = plain_operators(content)
    counts = inspect(plain).operator_counts
    assert "DIV" not in counts
    assert (counts["RSQRT"], counts["MUL"]) == (1, 3)
    np.testing.assert_allclose(answers(plain), answers(content), rtol=1e-5)


def test_a_quotient_by_what_may_be_negative_stays() -> None:
    assert plain_operators(quotient("twice")) == quotient("twice")


@pytest.mark.parametrize("terms", [2, 4])
def test_a_sum_of_several_is_added_one_by_one(terms: int) -> None:
    graph = Graph()
    x, y = (graph.tensor(name, SHAPE, open_batch=True) for name in ("x", "y"))
    values = [graph.tensor(f"v_{n}", SHAPE[1:], data=np.float32(n) * X[n]) for n in range(terms - 1)]
    graph.operator("ADD_N", [x, *values], [y], "AddNOptions")
    content = graph.build([x], [y])
    plain = plain_operators(content)
    assert inspect(plain).operator_counts == {"ADD": terms - 1}
    expected = X + sum(np.float32(n) * X[n] for n in range(terms - 1))
    np.testing.assert_allclose(answers(plain), expected, rtol=1e-5, atol=1e-6)


def split(pieces: list[int], axis: int = 1, *, rows: int = 4) -> bytes:
    """x → SPLIT along the axis → CONCATENATION of these pieces, y."""
    graph = Graph()
    x = graph.tensor("x", SHAPE, open_batch=True)
    own = SHAPE[axis] // rows
    before, behind = SHAPE[:axis], SHAPE[axis + 1 :]
    parts = [graph.tensor(f"part_{n}", [*before, own, *behind], open_batch=True) for n in range(rows)]
    y = graph.tensor("y", [*before, own * len(pieces), *behind], open_batch=True)
    graph.operator(
        "SPLIT", [graph.tensor("axis", [], "int32", data=np.array(axis)), x], parts, "SplitOptions", numSplits=rows
    )
    graph.operator("CONCATENATION", [parts[piece] for piece in pieces], [y], "ConcatenationOptions", axis=axis - 3)
    return graph.build([x], [y])


@pytest.mark.parametrize("pieces", [[0, 0, 1, 1, 2, 2, 3, 3], [3, 0, 3]], ids=["repeated", "any of them twice"])
def test_a_repeat_is_one_gather(pieces: list[int]) -> None:
    content = split(pieces)
    plain = plain_operators(content)
    assert inspect(plain).operator_counts == {"GATHER": 1}
    np.testing.assert_array_equal(answers(plain), X[:, pieces])


def test_parts_in_another_order_stay() -> None:
    """XNNPACK takes a SPLIT and a CONCATENATION, and no GATHER."""
    for content in (split([1, 0, 3, 2]), split([0, 0, 1], rows=2)):
        assert plain_operators(content) == content


def test_what_nothing_reads_goes() -> None:
    graph = Graph()
    x, y, unread, behind = (graph.tensor(name, SHAPE) for name in ("x", "y", "unread", "behind"))
    graph.operator("ABS", [x], [y])
    graph.operator("TANH", [x], [unread])
    graph.operator("ABS", [unread], [behind])
    assert inspect(plain_operators(graph.build([x], [y]))).operator_counts == {"ABS": 1}
