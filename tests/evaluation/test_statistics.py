from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.statistics import (
    Difference,
    bootstrap_interval,
    paired_bootstrap,
    paired_difference,
    paired_difference_of_counts,
    paired_mean_difference,
    resamples,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_as_published(hits: int, n: int, low: float, high: float) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872, table I, method 3."""
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_at_the_ends() -> None:
    assert wilson_interval(0, 5)[0] == 0
    assert wilson_interval(5, 5)[1] == 1


def test_paired_interval_as_published() -> None:
    """Bentur et al. (2009) as analysed by Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014)
    2850–2875: of 21 children 1 reacted only before and 7 only after."""
    found = paired_difference_of_counts(1, 7, 21)
    assert (found.value, found.low, found.high) == pytest.approx((-0.286, -0.517, -0.026), abs=5e-4)


@pytest.mark.parametrize("n", [1, 7, 100, 5000])
def test_paired_interval_without_discordant_pairs(n: int) -> None:
    found = paired_difference_of_counts(0, 0, n)
    z2 = 1.959963984540054**2
    assert (found.value, found.low, found.high) == pytest.approx((0, -z2 / (n + z2), z2 / (n + z2)))


def test_paired_interval_at_the_ends() -> None:
    found = paired_difference_of_counts(10, 0, 10)
    assert found.value == found.high == 1
    assert 0 < found.low < 1


def test_paired_difference_turns_with_its_models() -> None:
    first = np.array([True] * 30 + [False] * 10)
    second = np.array([True] * 25 + [False] * 12 + [True] * 3)
    forth, back = paired_difference(first, second), paired_difference(second, first)
    assert forth.value == pytest.approx(2 / 40)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert forth.low < forth.value < forth.high


def test_paired_interval_narrows_as_models_agree_more() -> None:
    apart, close = paired_difference_of_counts(60, 50, 500), paired_difference_of_counts(12, 2, 500)
    assert apart.value == close.value
    assert close.high - close.low < apart.high - apart.low


@pytest.mark.parametrize("n", [10, 30])
@pytest.mark.parametrize(("p", "q"), [(0.02, 0.02), (0.05, 0.01), (0.1, 0.1), (0.2, 0.1), (0.3, 0.05)])
def test_paired_interval_covers(n: int, p: float, q: float) -> None:
    """The exact chance that the interval holds the true difference p − q, over all outcomes of n pairs."""
    chance = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            found = paired_difference_of_counts(b, c, n)
            if found.low <= p - q <= found.high:
                ways = math.comb(n, b) * math.comb(n - b, c)
                chance += ways * p**b * q**c * (1 - p - q) ** (n - b - c)
    assert chance > 0.93


def test_the_difference_is_the_first_less_the_second() -> None:
    better, worse = np.array([True] * 8 + [False] * 2), np.array([True] * 3 + [False] * 7)
    found = paired_difference(better, worse)
    assert found.value == 0.5
    assert found.low > 0  # it is surely better
    assert paired_difference(worse, better).high < 0
    assert paired_difference_of_counts(5, 0, 10).value == 0.5
    assert paired_difference_of_counts(5, 0, 10).low > 0


def mean(values: np.ndarray[Any, Any]) -> float:
    return float(values.mean())


def test_the_bootstrap_draws_the_same_examples_for_both() -> None:
    """Whatever an example adds to both cancels: a constant difference has no width, unrelated ones have."""
    generator = np.random.default_rng(1)
    hard, other = generator.normal(0, 100, 400), generator.normal(0, 100, 400)
    paired = paired_bootstrap(hard + 1, hard, mean)
    assert (paired.value, paired.low, paired.high) == pytest.approx((1, 1, 1))
    apart = paired_bootstrap(hard + 1, other, mean)
    assert apart.high - apart.low > 10


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(2).normal(5, 2, 400)
    low, high = bootstrap_interval(values, mean)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.04)
    found = paired_bootstrap(values, np.zeros(400), mean)
    assert (found.low, found.high) == (low, high)


def test_the_bootstrap_turns_with_its_models_and_repeats_itself() -> None:
    generator = np.random.default_rng(3)
    one, two = generator.normal(1, 1, 50), generator.normal(0, 1, 50)
    forth, back = paired_bootstrap(one, two, mean), paired_bootstrap(two, one, mean)
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))
    assert forth.low < forth.value < forth.high
    assert paired_bootstrap(one, two, mean) == forth


def test_samples_without_a_value_do_not_count() -> None:
    def spread_or_nothing(values: np.ndarray[Any, Any]) -> float:
        return float(values.mean()) if len(set(values.tolist())) > 1 else math.nan

    low, high = bootstrap_interval(np.array([0.0, 1.0]), spread_or_nothing)
    assert (low, high) == (0.5, 0.5)
    assert all(math.isnan(end) for end in bootstrap_interval(np.zeros(3), spread_or_nothing))


def test_two_infinite_values_do_not_differ() -> None:
    def ratio(values: np.ndarray[Any, Any]) -> float:
        return math.inf if values.mean() == 0 else float(1 / values.mean())

    assert paired_bootstrap(np.zeros(4), np.zeros(4), ratio) == Difference(0, 0, 0)
    found = paired_bootstrap(np.zeros(4), np.ones(4), ratio)
    assert found.value == found.low == math.inf
    assert json.dumps(found.to_json(), allow_nan=False) == '{"value": null, "low": null, "high": null}'


def test_zeros_and_ones_get_tangos_interval_and_others_the_bootstraps() -> None:
    one, two = np.array([1, 1, 1, 0, 1]), np.array([0, 1, 1, 0, 0])
    assert paired_mean_difference(one, two) == paired_difference(one > 0, two > 0)
    half = np.array([0.5, 1, 1, 0, 1])
    assert paired_mean_difference(half, two) == paired_bootstrap(half, two, mean)
    assert paired_mean_difference(two, half) == paired_bootstrap(two, half, mean)


def test_large_statistics_are_drawn_fewer_times() -> None:
    assert resamples(1000 * 8) == 1000
    assert resamples(10**6) < 1000
    assert resamples(10**12) == 200
