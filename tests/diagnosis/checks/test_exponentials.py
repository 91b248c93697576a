"""An EXP whose values span more than int8's steps is told, with where they end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.diagnosis.checks.exponentials import wide_exponentials
from pipeline.diagnosis.measured_ranges import Measured
from tests.tiny_models import Graph


def model() -> bytes:
    graph = Graph()
    x, y = graph.tensor("x", [1, 4]), graph.tensor("sizes", [1, 4])
    graph.operator("EXP", [x], [y])
    return graph.build([x], [y])


def measured(low: float, high: float) -> Measured:
    ends = [np.array([[math.log(end), end]]) for end in (low, high)]
    return Measured(("x", "sizes"), 8, 1, *ends)


def test_small_values_below_half_a_step_are_told() -> None:
    [finding] = wide_exponentials(model(), measured(0.01, 255.0))
    assert finding.severity == "note"
    assert "EXP 'sizes' gives 0.01 to 255: in int8 in steps of 1." in finding.message
    assert f"below {math.log(0.5):.3g} becomes 0" in finding.message


@pytest.mark.parametrize("low", [0.51, 10.0])
def test_what_its_steps_hold_is_none(low: float) -> None:
    assert wide_exponentials(model(), measured(low, 255.0)) == []
