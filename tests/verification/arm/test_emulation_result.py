"""Comparing outputs byte by byte."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.verification.arm.emulation_result import ProfileResult, compare

NAMES = ("y",)


def int8(*values: int) -> tuple[np.ndarray, ...]:
    return (np.array([values], np.int8),)


def test_equal_outputs_have_no_differing_byte() -> None:
    found = compare((int8(1, 2), int8(3, 4)), (int8(1, 2), int8(3, 4)), NAMES)
    assert (found.bytes_compared, found.differing_bytes, found.first, found.largest) == (4, 0, None, 0)
    assert found.varied


def test_the_first_and_the_largest_difference_are_told() -> None:
    found = compare((int8(1, 2), int8(3, 4)), (int8(1, 2), int8(5, -128)), NAMES)
    assert found.differing_bytes == 2
    assert found.largest == 132
    assert found.first is not None
    assert (found.first.example, found.first.output, found.first.index) == (1, 0, (0, 0))
    assert (found.first.host, found.first.arm) == (3, 5)


def test_every_output_is_compared() -> None:
    host = ((np.int8([1]), np.int32([70000])),)
    arm = ((np.int8([1]), np.int32([70001])),)
    found = compare(host, arm, ("y", "count"))
    assert (found.bytes_compared, found.differing_bytes, found.largest) == (5, 1, 1)
    assert found.first is not None
    assert (found.first.output, found.first.name) == (1, "count")
    assert found.by_output == {"y": 0, "count": 1}


@pytest.mark.parametrize(("given", "largest"), [(np.nan, np.inf), (np.inf, np.inf), (2.5, 0.5)])
def test_floats_that_are_no_numbers_are_as_far_as_can_be(given: float, largest: float) -> None:
    found = compare(((np.float32([2.0]),),), ((np.float32([given]),),), NAMES)
    assert found.differing_bytes > 0
    assert found.largest == largest


def test_minus_zero_differs_in_a_byte_but_not_in_value() -> None:
    found = compare(((np.float32([0.0]),),), ((np.float32([-0.0]),),), NAMES)
    assert (found.differing_bytes, found.largest, found.first) == (1, 0, None)


def test_answers_that_are_all_the_same_are_noticed() -> None:
    assert not compare((int8(1), int8(1)), (int8(1), int8(1)), NAMES).varied
    assert not compare((int8(1),), (int8(1),), NAMES).varied


def test_a_model_that_did_not_run_has_failed_and_is_not_identical() -> None:
    result = ProfileResult("dotprod", "Cortex-A76", "QEMU", None, None, None, 0.0, None, None, (), ("why",))
    assert result.failed
    assert not result.identical
    assert result.to_json()["ran"] is False
    assert result.to_json()["undone"] == ["why"]
