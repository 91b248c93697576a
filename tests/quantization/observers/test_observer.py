"""What holds for every estimator: the interface, and values that break careless ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.quantization.observers import ESTIMATORS, Estimator, Observer, describe, make

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)

every = pytest.mark.parametrize("estimator", list(ESTIMATORS))


def feed(observer: Observer, *batches: NDArray[np.float32]) -> Observer:
    """As calibration does: every value, or each example's extremes."""
    for batch in batches:
        rows = batch.reshape(len(batch), -1)
        observer.observe(np.stack([rows.min(1), rows.max(1)], axis=1) if observer.extremes_only else batch)
    return observer


def array(*values: float) -> NDArray[np.float32]:
    return np.array([values], np.float32)


def close(found: tuple[float, float], wanted: tuple[float, float]) -> bool:
    return found == pytest.approx(wanted, rel=1e-6)


@every
def test_all_zeros_are_the_range_of_zero(estimator: Estimator) -> None:
    assert feed(make(estimator)(), np.zeros((2, 5, 3), np.float32)).range() == (0, 0)


@every
@pytest.mark.parametrize("value", [3.7, -3.7, 1e30, -LARGEST, 1e-20])
@pytest.mark.parametrize("shape", [(1, 1), (2, 50)], ids=["one value", "many values"])
def test_a_constant_is_an_end_of_its_range(estimator: Estimator, value: float, shape: tuple[int, int]) -> None:
    low, high = feed(make(estimator)(), np.full(shape, value, np.float32)).range()
    inner, outer = (high, low) if value < 0 else (low, high)
    assert outer == pytest.approx(value, rel=1e-6)
    assert close((inner, inner), (0, 0)) or close((inner, inner), (value, value))


@every
@settings(deadline=None, max_examples=60)
@given(
    batches=st.lists(st.lists(st.floats(-LARGEST, LARGEST, width=32), min_size=4, max_size=4), min_size=1, max_size=5)
)
def test_any_finite_values_give_a_range_among_them_or_zero(estimator: Estimator, batches: list[list[float]]) -> None:
    low, high = feed(make(estimator)(), *(array(*batch) for batch in batches)).range()
    assert low <= high
    least, most = (float(end) for end in (np.min(batches), np.max(batches)))
    # The grid of the mean squared error is shifted by up to half a step.
    slack = (max(most, 0) - min(least, 0)) / 255 + SMALLEST
    assert low >= min(least, 0) - slack
    assert high <= max(most, 0) + slack


@every
def test_an_outlier_beyond_all_measure_is_borne(estimator: Estimator) -> None:
    usual = np.linspace(-1e-3, 1e-3, 1000, dtype=np.float32)[None]
    low, high = feed(make(estimator)(), usual, array(1e30), usual, array(-1e30), usual).range()
    assert -1.01e30 <= low <= high <= 1.01e30


@every
def test_denormal_values_are_borne(estimator: Estimator) -> None:
    low, high = feed(make(estimator)(), array(SMALLEST, 0, 3 * SMALLEST), array(-SMALLEST)).range()
    assert -SMALLEST <= low <= high <= 3 * SMALLEST * (1 + 1e-6)


@every
def test_values_are_not_written_to_nor_kept(estimator: Estimator) -> None:
    values = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
    observer, other = make(estimator)(), make(estimator)()
    shown = values.copy()
    shown.flags.writeable = False
    feed(observer, shown)
    shown.flags.writeable = True
    shown[:] = 1e9  # the runtime writes the next activation there
    assert observer.range() == feed(other, values).range()


@every
def test_observers_of_one_maker_share_nothing(estimator: Estimator) -> None:
    create = make(estimator)
    first, second = create(), create()
    feed(first, array(-5, 5))
    feed(second, array(-1, 1))
    assert second.range()[1] <= 1.01


@every
def test_the_batches_cut_does_not_matter(estimator: Estimator) -> None:
    values = np.random.default_rng(0).standard_t(3, size=(7, 30, 400)).astype(np.float32)
    whole, pieces = make(estimator)(), make(estimator)()
    assert feed(whole, values).range() == feed(pieces, values[:1], values[1:4], values[4:]).range()


@pytest.mark.parametrize("shape", [(0, 3), ()], ids=["no example", "a lone number"])
@pytest.mark.parametrize("estimator", [name for name, kind in ESTIMATORS.items() if not make(name)().extremes_only])
def test_a_tensor_without_a_batch_is_borne(estimator: Estimator, shape: tuple[int, ...]) -> None:
    observer = make(estimator)()
    observer.observe(np.ones(shape, np.float32))
    observer.observe(array(1))
    assert close(observer.range(), (0, 1))


@pytest.mark.parametrize(
    ("given_settings", "text"),
    [
        ({"estimator": "min_max"}, "min-max"),
        ({"estimator": "moving_average", "momentum": 0.9}, "moving average 0.9"),
        ({"estimator": "percentile"}, "percentile 99.99"),
        ({"estimator": "percentile", "percentile": 99.9999}, "percentile 99.9999"),
        ({"estimator": "entropy"}, "entropy"),
        ({"estimator": "mse"}, "mean squared error"),
        ({"estimator": "mse", "bits": 16}, "16-bit mean squared error"),
    ],
)
def test_a_description_names_the_method_and_its_settings(given_settings: dict, text: str) -> None:
    assert describe(**given_settings) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make("percentil"), "Did you mean 'percentile'"),  # type: ignore[arg-type]
        (lambda: make("percentile", momentum=0.9), "takes percentile, not 'momentum'"),
        (lambda: make("min_max", percentile=99), "takes no settings"),
        (lambda: make("percentile", percentile=50), "above 50"),
        (lambda: make("percentile", percentile=100.1), "up to 100"),
        (lambda: make("percentile", percentile=float("nan")), "above 50"),
        (lambda: make("moving_average", momentum=1), "below 1"),
        (lambda: make("moving_average", momentum=-0.1), "below 1"),
        (lambda: make("mse", bits=1), "2 to 16"),
    ],
)
def test_a_wrong_setting_is_told_at_once(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
