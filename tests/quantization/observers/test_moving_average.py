from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.observers.moving_average import MovingAverage

EXTREMES = np.array([[-1, 2], [-3, 8], [0, 1], [-2, 2]], np.float32)


def observed(momentum: float, extremes: np.ndarray) -> tuple[float, float]:
    observer = MovingAverage(momentum)
    observer.observe(extremes)
    return observer.range()


def test_the_first_example_is_the_range_whatever_the_momentum() -> None:
    assert observed(0.99, EXTREMES[:1]) == (-1, 2)


def test_examples_weigh_by_powers_of_the_momentum_back_from_the_last() -> None:
    weights = 0.9 ** np.arange(len(EXTREMES))[::-1]
    assert observed(0.9, EXTREMES) == pytest.approx(np.average(EXTREMES, axis=0, weights=weights), rel=1e-6)


def test_few_examples_give_nearly_their_mean() -> None:
    assert observed(0.999, EXTREMES) == pytest.approx(EXTREMES.mean(axis=0), rel=1e-2)


def test_without_momentum_the_last_example_is_the_range() -> None:
    assert observed(0, EXTREMES) == (-2, 2)


def test_an_outlier_among_many_examples_hardly_counts() -> None:
    extremes = np.tile(np.array([[-1, 1]], np.float32), (100, 1))
    extremes[40] = -1, 1000
    low, high = observed(0.9, extremes)
    assert low == pytest.approx(-1)
    assert 1 < high < 2


def test_rounding_never_puts_low_above_high() -> None:
    low = np.random.default_rng(0).normal(size=2000).astype(np.float32)
    observer = MovingAverage(0.9)
    for row in np.stack([low, np.nextafter(low, np.float32(9))], axis=1):
        observer.observe(row[None])
        found = observer.range()
        assert found[0] <= found[1]
