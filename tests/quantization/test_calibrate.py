"""Calibration measures what numpy measures, whatever the batches (see test_hub.py for whole models)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.ranges import Ranges, holding_zero
from tests import tiny_models

WEIGHTS = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
LINEAR = tiny_models.linear(WEIGHTS)
X = np.random.default_rng(2).normal(size=(13, 6)).astype(np.float32)


@pytest.mark.parametrize("sizes", [[13], [1] * 13, [4, 4, 5], [3, 10], [0, 13, 0]], ids=str)
def test_the_range_is_numpys_however_the_examples_are_batched(sizes: list[int]) -> None:
    ranges = calibrate(LINEAR, [{"x": part} for part in np.split(X, np.cumsum(sizes)[:-1])])
    y = X @ WEIGHTS.T
    np.testing.assert_allclose(ranges["y"], (y.min(), y.max()), rtol=1e-5)
    np.testing.assert_allclose(ranges["x"], holding_zero(float(X.min()), float(X.max())), rtol=1e-6)
    assert set(ranges) == {"x", "y"}
    assert "13 examples" in ranges.method


def test_the_input_range_contains_every_value() -> None:
    low, high = calibrate(LINEAR, [{"x": X}])["x"]
    assert low <= X.min()
    assert high >= X.max()


def test_the_examples_are_streamed() -> None:
    """No later batch is asked for before the earlier one was used."""
    asked = []

    def batches() -> object:
        for number in range(3):
            asked.append(number)
            yield {"x": np.full((4, 6), np.nan if number == 1 else 0, np.float32)}

    with pytest.raises(InputError, match="examples 4 to 7"):
        calibrate(LINEAR, batches())  # type: ignore[arg-type]
    assert asked == [0, 1]


@pytest.mark.parametrize("batches", [[], [{"x": X[:0]}]], ids=["no batch", "an empty batch"])
def test_no_example_is_refused(batches: list[dict[str, np.ndarray]]) -> None:
    with pytest.raises(InputError, match="empty"):
        calibrate(LINEAR, batches)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_activation_that_is_not_finite_is_named(value: float) -> None:
    weights = WEIGHTS.copy()
    weights[1, 2] = value
    with pytest.raises(InputError, match="'y' becomes NaN or infinite"):
        calibrate(tiny_models.linear(weights), [{"x": X}])


def test_a_model_with_a_fixed_batch_is_fed_one_by_one() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    np.testing.assert_allclose(calibrate(tiny_models.fixed_batch(6), [{"x": x}])["y"], (x.min(), x.max()))


def test_a_model_that_folds_its_batch_is_fed_one_by_one() -> None:
    np.testing.assert_allclose(calibrate(tiny_models.folds_batch(6), [{"x": X}])["y"], (X.min(), X.max()))


def test_two_inputs_are_refused() -> None:
    with pytest.raises(InputError, match="2 inputs"):
        calibrate(tiny_models.sum_of_two(6, scale=None), [{"x": X}])


def test_examples_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="5"):
        calibrate(LINEAR, [{"x": np.zeros((4, 5), np.float32)}])


def test_laying_ranges_over_others_keeps_both_origins() -> None:
    both = Ranges({"a": (0, 1)}, "learned").over(Ranges({"b": (0, 2)}, "measured"))
    assert both.method == "learned, else measured"
    assert not Ranges()
    assert len(both) == 2
