from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.quantization.observers.entropy import LEVELS, Entropy, _divergences

RNG = np.random.default_rng(0)


def observed(values: np.ndarray) -> tuple[float, float]:
    observer = Entropy()
    observer.observe(np.asarray(values, np.float32).reshape(-1, 8000))
    return observer.range()


def migacz(counts: np.ndarray, start: int, end: int) -> float:
    """KL(P‖Q) bin by bin, as the slides have it."""
    reference = counts[start:end].astype(float)
    candidate = np.zeros(end - start)
    reference[0] += counts[:start].sum()
    reference[-1] += counts[end:].sum()
    edges = np.arange(LEVELS + 1) * (end - start) // LEVELS
    for left, right in itertools.pairwise(edges):
        kept = reference[left:right] > 0
        if kept.any():
            candidate[left:right][kept] = counts[start:end][left:right].sum() / kept.sum()
    candidate /= candidate.sum()
    reference /= reference.sum()
    filled = reference > 0
    if (candidate[filled] == 0).any():
        return np.inf
    return float((reference[filled] * np.log(reference[filled] / candidate[filled])).sum())


@pytest.mark.parametrize("density", [20, 0.5], ids=["dense", "with empty bins"])
def test_the_divergence_is_the_one_of_the_slides(density: float) -> None:
    counts = RNG.poisson(density * np.exp(-(np.linspace(-3, 3, 600) ** 2)))
    starts, ends = np.array([0, 20, 100, 0, 171]), np.array([600, 580, 500, 256, 429])
    expected = [migacz(counts, start, end) for start, end in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(_divergences(counts.astype(np.float64), starts, ends), expected, atol=1e-12)
    assert np.isfinite(expected).sum() >= 2


def test_a_heavy_tail_is_clipped() -> None:
    values = RNG.standard_t(2, size=80_000)
    low, high = observed(values)
    assert values.min() / 2 < low < -5
    assert 5 < high < values.max() / 2


@pytest.mark.parametrize("ends", [(-1, 1), (0, 6), (-3, 0), (-0.3, 5)], ids=str)
def test_a_uniform_distribution_is_kept_whole(ends: tuple[float, float]) -> None:
    values = RNG.uniform(*ends, size=80_000)
    assert observed(values) == pytest.approx((values.min(), values.max()), abs=0.01 * (ends[1] - ends[0]))


def test_a_bound_that_many_values_reach_is_kept() -> None:
    """ReLU6."""
    assert observed(np.clip(RNG.normal(2, 3, size=80_000), 0, 6)) == (0, 6)


def test_the_zeros_of_a_relu_do_not_move_the_threshold() -> None:
    values = np.abs(RNG.standard_t(3, size=80_000))
    with_zeros = np.concatenate([values, np.zeros(400_000)])
    assert observed(with_zeros) == pytest.approx(observed(values), rel=0.1)


def test_a_short_side_is_kept_while_the_long_one_is_clipped() -> None:
    values = np.concatenate([RNG.gamma(1, 2, size=79_990), RNG.uniform(-0.3, 0, size=8000), RNG.uniform(50, 90, 10)])
    values = values[: 8000 * (len(values) // 8000)] if len(values) % 8000 else values
    low, high = observed(np.concatenate([values, np.full(-len(values) % 8000, 80)]))
    assert low == pytest.approx(-0.3, abs=1e-3)
    assert high < 60


def test_a_mirrored_activation_has_the_mirrored_range() -> None:
    values = RNG.gamma(1, 2, size=80_000)
    low, high = observed(-values)
    assert (-high, -low) == pytest.approx(observed(values), rel=0.02, abs=1e-9)


def test_few_distinct_values_are_kept_whole() -> None:
    assert observed(np.repeat([-2, 0, 1, 5], 2000)) == (-2, 5)
