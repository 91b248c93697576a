from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.observers.mse import MeanSquaredError

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=8000)
DISTRIBUTIONS = {
    "normal": NORMAL,
    "after ReLU": np.maximum(NORMAL, 0),
    "after ReLU6": np.clip(NORMAL * 4, 0, 6),
    "after swish": 3 * NORMAL / (1 + np.exp(-3 * NORMAL)),
    "heavy tails": RNG.standard_t(2, size=8000),
    "uniform": RNG.uniform(-1, 2, size=8000),
    "negative": -np.abs(NORMAL),
    "one outlier": np.concatenate([NORMAL[:-1], [300]]),
    "far from zero": NORMAL + 9,
}
names = pytest.mark.parametrize("name", list(DISTRIBUTIONS))
widths = pytest.mark.parametrize("bits", [4, 8])


def observed(values: np.ndarray, bits: int = 8) -> tuple[float, float]:
    observer = MeanSquaredError(bits)
    observer.observe(values.astype(np.float32)[None])
    return observer.range()


def error(values: np.ndarray, low: float, high: float, bits: int = 8) -> float:
    """Mean squared error of quantizing the values themselves, as TFLite does."""
    step = (high - low) / (2**bits - 1)
    lowest = np.rint(low / step)
    stored = np.clip(np.rint(values / step), lowest, lowest + 2**bits - 1)
    return float(np.mean((stored * step - values) ** 2))


@widths
@names
def test_no_range_of_a_brute_force_search_is_better_by_five_percent(name: str, bits: int) -> None:
    values = DISTRIBUTIONS[name]
    low, high = min(values.min(), 0), max(values.max(), 0)
    shares = np.linspace(0.02, 1, 50)
    best = min(
        error(values, low * below, high * above, bits)
        for below in (shares if low else [0])
        for above in (shares if high else [0])
    )
    assert error(values, *observed(values, bits), bits) <= 1.05 * best


@widths
@names
def test_it_is_as_good_as_min_max_or_better(name: str, bits: int) -> None:
    values = DISTRIBUTIONS[name]
    whole = error(values, min(values.min(), 0), max(values.max(), 0), bits)
    assert error(values, *observed(values, bits), bits) <= 1.01 * whole


def test_fewer_bits_clip_more() -> None:
    ranges = [observed(NORMAL, bits) for bits in (2, 4, 8, 16)]
    lengths = [high - low for low, high in ranges]
    assert lengths == sorted(lengths)
    assert lengths[0] < 0.6 * lengths[-1]


@names
def test_zero_is_a_step_of_the_range(name: str) -> None:
    low, high = observed(DISTRIBUTIONS[name])
    place = -low / (high - low) * 255
    assert place == pytest.approx(round(place), abs=1e-6)
    assert -1e-9 <= place <= 255 + 1e-9


def test_a_one_sided_activation_has_a_one_sided_range() -> None:
    assert observed(DISTRIBUTIONS["after ReLU"])[0] == 0
    assert observed(DISTRIBUTIONS["negative"])[1] == 0


def test_a_bound_that_many_values_reach_is_kept() -> None:
    assert observed(DISTRIBUTIONS["after ReLU6"]) == pytest.approx((0, 6), rel=1e-3)


def test_an_outlier_that_costs_more_steps_than_it_is_worth_is_clipped() -> None:
    """One of 200,000 values a hundred times as large as the others."""
    values = np.concatenate([RNG.normal(size=(25, 8000)).astype(np.float32).reshape(-1)[:-1], [np.float32(100)]])
    observer = MeanSquaredError(4)
    observer.observe(values.reshape(25, 8000).astype(np.float32))
    low, high = observer.range()
    assert error(values, low, high, 4) < 0.5 * error(values, float(values.min()), 100, 4)
