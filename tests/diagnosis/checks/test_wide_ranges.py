"""Columns that fall below the steps of a scale that they share with larger ones are named."""

from __future__ import annotations

import numpy as np

from pipeline.diagnosis.checks.wide_ranges import FEWEST_STEPS, STEPS, one_scale
from pipeline.diagnosis.weak_int8 import statistics_over
from pipeline.finding import Finding
from pipeline.tensors import Batch, TensorSpec


def found(x: np.ndarray, *names: str, kind: str = "values") -> list[Finding]:
    inputs = {"x": TensorSpec("x", (-1, *x.shape[1:]), x.dtype)}
    statistics = statistics_over(inputs, {"x": {"kind": kind}}, [Batch({"x": x[:9]}, {}), Batch({"x": x[9:]}, {})])
    return one_scale(statistics["x"], names)


def columns(*sizes: float) -> np.ndarray:
    return (np.linspace(0, 1, 20)[:, None] * np.array(sizes)).astype(np.float32)


def test_small_columns_are_named_beside_the_largest() -> None:
    (one,) = found(columns(1, 100_000, 40_000, 2), "share", "price", "rent", "rooms")
    assert one.evidence["columns"] == [0, 3]
    for part in ("'share' (0 to 1)", "'rooms' (0 to 2)", "'price' (0 to 1e+05)"):
        assert part in one.message
    assert "standardize" in one.remedy
    assert "--io float32" in one.remedy


def test_the_bound_is_in_steps_of_the_scale() -> None:
    bound = FEWEST_STEPS / STEPS
    assert found(columns(1, 1.01 * bound)) == []
    assert found(columns(1, 0.99 * bound))


def test_a_column_far_from_zero_is_crushed_by_its_own_offset() -> None:
    offset = columns(1, 1) + np.array([0, 1000], np.float32)
    assert found(offset)[0].evidence["columns"] == [0, 1]


def test_what_has_no_columns_or_never_changes_is_no_cause() -> None:
    assert found(columns(1, 1, 0.5)) == []
    assert found(columns(0, 100)) == []
    assert found(columns(7)) == []
    assert found(np.arange(40, dtype=np.int32).reshape(20, 2) * np.array([1, 100_000], np.int32), kind="tokens") == []


def test_features_of_series_are_columns_too() -> None:
    series = np.repeat(columns(1, 100_000)[:, None], 5, axis=1)
    (one,) = found(series)
    assert one.message.startswith("Feature 0 ")
