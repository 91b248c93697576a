from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluation.statistics import (
    agreement,
    paired_difference,
    paired_difference_of_counts,
    top_k_hits,
    wilson_interval,
)


def test_top_k_hits() -> None:
    scores = np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4], [0.1, 0.5, 0.4]])
    labels = np.array([1, 2, 0])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 1), [True, False, False])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 2), [True, True, False])
    np.testing.assert_array_equal(top_k_hits(scores, labels, 3), [True, True, True])


def test_equal_scores_rank_in_class_order_as_argmax_does() -> None:
    scores = np.random.default_rng(0).integers(0, 3, (500, 7))
    labels = np.random.default_rng(1).integers(0, 7, 500)
    np.testing.assert_array_equal(top_k_hits(scores, labels, 1), scores.argmax(axis=1) == labels)
    first_three = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(top_k_hits(scores, labels, 3), (first_three == labels[:, None]).any(axis=1))


def test_agreement() -> None:
    assert agreement(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5])) == 0.75


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
