from __future__ import annotations

import math

import pytest

from pipeline.tasks.task import Metric

SHARE, RATIO, PLAIN = Metric("top1", "top-1", "%"), Metric("psnr", "PSNR", "dB"), Metric("r2", "R²")


@pytest.mark.parametrize(
    ("metric", "unit"), [(SHARE, "points"), (RATIO, "dB"), (PLAIN, "")], ids=["share", "decibels", "no unit"]
)
def test_what_differences_are_in(metric: Metric, unit: str) -> None:
    assert metric.unit_of_points == unit


@pytest.mark.parametrize(
    ("metric", "points", "shown"),
    [
        (SHARE, (-0.82, -3.04, 0.8), "-0.8 [-3.0\u00a0+0.8]"),
        (SHARE, (0.01, -0.02, 0.03), "+0.0 [-0.0\u00a0+0.0]"),
        (PLAIN, (0.000612, -0.00123, 0.0024), "+0.000612 [-0.00123\u00a0+0.0024]"),
        (RATIO, (-12.34, -15.0, 2.0), "-12.3 [-15\u00a0+2]"),
        (PLAIN, (0.0, 0.0, 0.0), "+0 [+0\u00a0+0]"),
        (RATIO, (math.inf, 1.0, math.inf), "+inf [+1\u00a0+inf]"),
    ],
)
def test_a_difference_and_its_interval_are_shown_in_points(
    metric: Metric, points: tuple[float, float, float], shown: str
) -> None:
    assert metric.show_points(*points) == shown
