from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.observers.histogram import Histogram
from pipeline.quantization.observers.percentile import Percentile

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=8000)
DISTRIBUTIONS = {
    "normal": NORMAL,
    "heavy tails": RNG.standard_t(2, size=8000),
    "lopsided": RNG.gamma(2, size=8000) - 1,
    "ten values": RNG.normal(size=10),
    "whole numbers": RNG.poisson(3, size=8000) - 2,
    "a gap": np.concatenate([NORMAL[:-3], [-900, 800, 1000]]),
}


def observed(values: np.ndarray, percentile: float) -> tuple[float, float]:
    observer = Percentile(percentile)
    observer.observe(values.astype(np.float32)[None])
    return observer.range()


@pytest.mark.parametrize("percentile", [75, 99, 99.9, 99.99])
@pytest.mark.parametrize("name", list(DISTRIBUTIONS))
def test_both_ends_are_numpys_to_a_bin(name: str, percentile: float) -> None:
    values = DISTRIBUTIONS[name]
    histogram = Histogram()
    histogram.add(values.astype(np.float32)[None])
    expected = np.percentile(values, [100 - percentile, percentile])
    low, high = observed(values, percentile)
    assert abs(low - min(expected[0], 0)) <= histogram.width
    assert abs(high - max(expected[1], 0)) <= histogram.width


def test_a_hundred_is_the_exact_range_even_of_what_was_not_sampled() -> None:
    x = np.zeros((1, 50_000), np.float32)
    x[0, 31], x[0, 47_001] = -1.1, 2.3
    observer = Percentile(100)
    observer.observe(x)
    assert observer.range() == (np.float32(-1.1), np.float32(2.3))


def test_zero_stays_the_end_of_what_a_relu_leaves() -> None:
    low, high = observed(np.maximum(NORMAL, 0), 99)
    assert low == 0
    assert 0 < high < NORMAL.max()


@pytest.mark.parametrize("sign", [1, -1])
def test_zero_is_in_the_range_where_hardly_a_value_is_near_it(sign: int) -> None:
    low, high = observed(sign * (NORMAL + 3), 80)
    assert min(abs(low), abs(high)) == 0


def test_the_rarest_values_are_clipped() -> None:
    low, high = observed(DISTRIBUTIONS["a gap"], 99.9)
    assert -5 < low < high < 5
