"""Weight scales and rounding to the nearest step."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.quantized_weights import WeightScales, nearest, scales

WEIGHTS = (np.random.default_rng(0).standard_t(3, (6, 3, 3, 8)) * np.arange(1, 9)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 3])
def test_the_largest_weight_of_each_channel_is_127(axis: int) -> None:
    stored = nearest(WEIGHTS, scales(WEIGHTS, axis), axis).stored
    others = tuple(i for i in range(4) if i != axis)
    assert (np.abs(stored.astype(int)).max(axis=others) == 127).all()


def test_no_weight_is_more_than_half_a_step_away() -> None:
    found = scales(WEIGHTS, 0)
    error = np.abs(nearest(WEIGHTS, found, 0).real() - WEIGHTS)
    assert (error <= found.reshape(-1, 1, 1, 1) * 0.5001).all()


def test_one_scale_a_tensor_is_the_largest_channels() -> None:
    assert scales(WEIGHTS, 3, per_channel=False) == pytest.approx([scales(WEIGHTS, 3).max()])


def test_scales_of_the_least_squared_error_clip_an_outlier_that_many_others_pay_for() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 20_000)).astype(np.float32)
    weights[:, 0] = 20

    def errors(method: WeightScales) -> np.ndarray:
        off = nearest(weights, scales(weights, 0, method=method), 0).real() - weights
        return (off**2).sum(axis=1)

    assert (errors("mse") < 0.95 * errors("max")).all()
    assert (scales(WEIGHTS, 0, method="mse") <= scales(WEIGHTS, 0)).all()


def test_a_channel_of_zeros_stays_zero() -> None:
    weights = WEIGHTS.copy()
    weights[2] = 0
    for method in ("max", "mse"):
        found = nearest(weights, scales(weights, 0, method=method), 0)  # type: ignore[arg-type]
        assert np.isfinite(found.scales).all()
        assert (found.real()[2] == 0).all()
