"""Noise: the ratio and the direction of small numbers, and of the ones that break formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluation.fidelity import Noise


def noise(*pairs: tuple[list[float], list[float]]) -> Noise:
    found = Noise()
    for expected, values in pairs:
        found.add(np.array(expected, np.float32), np.array(values, np.float32))
    return found


def test_a_noise_of_a_hundredth_of_the_power_is_20_db() -> None:
    assert noise(([10, 0], [9, 0])).sqnr_db == pytest.approx(20)
    assert noise(([3, 4], [3, 4.5])).sqnr_db == pytest.approx(20)
    assert noise(([1], [3])).sqnr_db == pytest.approx(-20 * math.log10(2))


def test_the_powers_are_summed_over_the_stream_not_the_ratios() -> None:
    stream = noise(([10], [9]), ([0], [0]), ([0, 0], [3, 0]))
    assert stream.sqnr_db == pytest.approx(10)  # 100 / (1 + 9)


def test_the_cosine_is_the_angles() -> None:
    assert noise(([1, 0], [1, 1])).cosine == pytest.approx(math.sqrt(0.5))
    assert noise(([1, 2], [10, 20])).cosine == pytest.approx(1)
    assert noise(([1, 2], [-1, -2])).cosine == pytest.approx(-1)
    assert noise(([1, 0], [0, 1])).cosine == 0


def test_no_noise_is_infinitely_good() -> None:
    assert noise(([1, 2], [1, 2])).sqnr_db == math.inf
    assert noise().sqnr_db == math.inf


def test_noise_without_a_signal_is_infinitely_bad() -> None:
    assert noise(([0, 0], [0, 1])).sqnr_db == -math.inf
    assert noise(([0, 0], [0, 1])).cosine == 0


def test_zeros_that_stay_zeros_lose_nothing() -> None:
    assert noise(([0, 0], [0, 0])).sqnr_db == math.inf
    assert noise(([0, 0], [0, 0])).cosine == 1


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_the_size_of_the_values_does_not_count(size: float) -> None:
    tiny_or_huge = noise(([10 * size, 0], [9 * size, 0]))
    assert tiny_or_huge.sqnr_db == pytest.approx(20, abs=1e-4)
    assert tiny_or_huge.cosine == pytest.approx(1)
    assert tiny_or_huge.finite


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_told_and_is_the_worst_not_nan(value: float) -> None:
    broken = noise(([1, 1], [1, 1]), ([1, 1], [1, value]))
    assert not broken.finite
    assert broken.sqnr_db == -math.inf
    assert broken.cosine == 0
    assert not noise(([1, value], [1, 1])).finite
