"""What is never negative, by the operators that make it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.signs import is_never_negative
from tests.tiny_models import Graph


def made_by(*kinds: str, constant: float = 1.0) -> bool:
    """x through one operator after the other; those of two operands take a constant, MUL twice the same."""
    graph = Graph()
    index = graph.tensor("x", [1, 3])
    for place, kind in enumerate(kinds):
        after = graph.tensor(f"y{place}", [1, 3])
        other = graph.tensor(f"constant{place}", [], data=np.array(constant))
        operands = {"ADD": [index, other], "MAXIMUM": [index, other], "MUL": [index, index], "POW": [index, other]}
        graph.operator(kind, operands.get(kind, [index]), [after])
        index = after
    return is_never_negative(flatbuffer.read(graph.build([0], [index])), index)


@pytest.mark.parametrize("kinds", [("ABS",), ("EXP", "RESHAPE"), ("NEG", "MUL", "SQRT"), ("MUL", "ADD"), ("MAXIMUM",)])
def test_never_negative(kinds: tuple[str, ...]) -> None:
    assert made_by(*kinds)


@pytest.mark.parametrize("kinds", [(), ("NEG",), ("ABS", "NEG"), ("ADD",), ("RESHAPE",), ("TANH",)])
def test_perhaps_negative(kinds: tuple[str, ...]) -> None:
    assert not made_by(*kinds)


def test_a_negative_constant_may_make_it_so() -> None:
    assert not made_by("ABS", "ADD", constant=-1)
    assert not made_by("MAXIMUM", constant=-1)


@pytest.mark.parametrize(("power", "never"), [(2, True), (4, True), (3, False), (0.5, False)])
def test_even_powers(power: float, never: bool) -> None:
    assert made_by("POW", constant=power) is never
