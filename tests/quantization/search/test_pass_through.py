"""Operators without arithmetic leave int8 with their neighbours, or not at all."""

from __future__ import annotations

import numpy as np

from pipeline.quantization.search.pass_through import pass_through_operators
from pipeline.tflite.flatbuffer import read
from tests.tiny_models import Graph

# 0 LOGISTIC → 1 RESHAPE → 2 RESHAPE → 3 LOGISTIC → 4 RESHAPE → 5 LOGISTIC; 3 is an output too.
MOVING = (1, 2, 4)


def graph():  # type: ignore[no-untyped-def]
    made = Graph()
    shape = made.tensor("shape", [2], "int32", data=np.array([1, 4]))
    tensors = [made.tensor(f"t{place}", [1, 4]) for place in range(7)]
    for place, kind in enumerate(["LOGISTIC", "RESHAPE", "RESHAPE", "LOGISTIC", "RESHAPE", "LOGISTIC"]):
        moves = kind == "RESHAPE"
        made.operator(
            kind,
            [tensors[place], *([shape] if moves else [])],
            [tensors[place + 1]],
            "ReshapeOptions" if moves else None,
        )
    return read(made.build([tensors[0]], [tensors[6]])).subgraphs[0]


def test_a_row_of_them_between_two_kept_ones_comes_along() -> None:
    assert pass_through_operators(graph(), [0, 3], MOVING) == {1, 2}


def test_beside_one_kept_operator_they_stay() -> None:
    assert pass_through_operators(graph(), [0], MOVING) == frozenset()
    assert pass_through_operators(graph(), [3], MOVING) == frozenset()


def test_all_of_them_where_all_is_kept() -> None:
    assert pass_through_operators(graph(), [0, 3, 5], MOVING) == {1, 2, 4}


def test_only_those_that_may() -> None:
    assert pass_through_operators(graph(), [0, 3, 5], [4]) == {4}
    assert pass_through_operators(graph(), [0, 3], [1]) == frozenset()


def test_at_an_end_of_the_model_they_stay() -> None:
    """The input and the output keep the type that the format promises."""
    made = Graph()
    shape = made.tensor("shape", [2], "int32", data=np.array([1, 4]))
    x, flat, y = made.tensor("x", [1, 4]), made.tensor("flat", [1, 4]), made.tensor("y", [1, 4])
    made.operator("RESHAPE", [x, shape], [flat], "ReshapeOptions")
    made.operator("LOGISTIC", [flat], [y])
    assert pass_through_operators(read(made.build([x], [y])).subgraphs[0], [1], [0]) == frozenset()
