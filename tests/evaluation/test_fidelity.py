"""The ratio and the direction of small numbers and of the ones that break formulas; outputs beside outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.evaluation.fidelity import FidelityMeter, Noise, OutputFidelity, finite_or_none, lowest
from pipeline.tensors import Outputs, TensorSpec


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


def int8(values: list[list[int]], scale: float = 0.5, zero_point: int = 2) -> Outputs:
    array = np.array(values, np.int8)
    return Outputs({"y": array}, {"y": TensorSpec("y", (-1, 2), np.dtype(np.int8), scale, zero_point)})


def test_steps_of_the_same_scale_are_counted() -> None:
    meter = FidelityMeter()
    meter.add(int8([[0, -128]]), int8([[1, 127]]))
    meter.add(int8([[4, 4]]), int8([[4, 4]]))
    found = meter.result()["y"]
    assert (found.max_lsb, found.differing, found.identical) == (255, 0.5, False)


@pytest.mark.parametrize("other", [int8([[0, 1]], scale=0.25), int8([[0, 1]], zero_point=3)])
def test_steps_of_other_scales_are_not(other: Outputs) -> None:
    meter = FidelityMeter()
    meter.add(int8([[0, 1]]), other)
    assert meter.result()["y"].max_lsb is None


def test_values_are_compared_as_real_numbers_and_each_output_by_itself() -> None:
    meter = FidelityMeter()
    expected = Outputs.of_real({"y": np.array([[10.0, 0]], np.float32), "z": np.ones((1, 3), np.float32)})
    found = Outputs.of_real({"y": np.array([[9.0, 0]], np.float32), "z": np.ones((1, 3), np.float32)})
    meter.add(expected, found)
    result = meter.result()
    assert result["y"].sqnr_db == pytest.approx(20)
    assert result["y"].differing == 0.5
    assert result["z"] == OutputFidelity(math.inf, pytest.approx(1), None, 0.0)
    assert lowest(result) == result["y"].sqnr_db
    assert result["z"].to_json() == {
        "sqnr_db": None,
        "cosine": pytest.approx(1),
        "max_lsb": None,
        "differing": 0.0,
        "identical": True,
    }


def test_the_ratio_is_against_the_expected_values() -> None:
    """10·log10(Σ expected² / Σ difference²): twice the expected values is 0 dB, half of them 6."""
    assert noise(([2, 0], [4, 0])).sqnr_db == 0
    assert noise(([2, 0], [1, 0])).sqnr_db == pytest.approx(20 * math.log10(2))


def test_what_json_cannot_say_is_none() -> None:
    assert [finite_or_none(value) for value in (1.5, math.inf, -math.inf, math.nan)] == [1.5, None, None, None]
