"""Outputs that no longer change with the example, or stand at an end of their range."""

from __future__ import annotations

import numpy as np

from pipeline.diagnosis.checks.lost_outputs import lost_outputs
from pipeline.finding import Finding
from pipeline.tensors import Outputs, TensorSpec

REAL = np.linspace(-4, 4, 60).reshape(20, 3).astype(np.float32)


def found(real: np.ndarray, scale: float, flat: bool = False) -> list[Finding]:
    spec = TensorSpec("y", (-1, 3), np.dtype(np.int8), scale, 0)
    stored = spec.quantize(np.zeros_like(real) if flat else real)
    own = Outputs({"y": stored}, {"y": spec})
    return lost_outputs([Outputs.of_real({"y": real[:5]}), Outputs.of_real({"y": real[5:]})], [own[:5], own[5:]])


def test_a_good_output_is_left_in_peace() -> None:
    assert found(REAL, 4 / 127) == []


def test_an_output_that_is_the_same_for_all_examples() -> None:
    (one,) = found(REAL, 4 / 127, flat=True)
    assert "the same for all examples" in one.message


def test_an_output_whose_range_is_too_narrow() -> None:
    (one,) = found(REAL, 0.5 / 127)
    assert "stand at an end of its range" in one.message
    assert one.evidence["beyond"] > 0.8


def test_what_never_changes_in_float_either_is_not_lost() -> None:
    assert found(np.ones((20, 3), np.float32), 1 / 127) == []
