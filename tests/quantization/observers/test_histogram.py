from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quantization.observers.histogram import BINS, Histogram
from pipeline.quantization.observers.sampling import sample

finite = st.floats(-(2.0**127), 2.0**127, width=32)


def filled(*batches: np.ndarray) -> Histogram:
    histogram = Histogram()
    for batch in batches:
        histogram.add(np.asarray(batch, np.float32))
    return histogram


def brute_force(values: np.ndarray, width: float) -> dict[int, int]:
    numbers, counts = np.unique(np.floor(values.astype(np.float64) / width), return_counts=True)
    return {int(number): int(count) for number, count in zip(numbers, counts, strict=True)}


def as_dict(histogram: Histogram) -> dict[int, int]:
    first, counts = histogram.occupied()
    return {first + place: int(count) for place, count in enumerate(counts) if count}


@settings(deadline=None)
@given(batches=st.lists(st.lists(finite, min_size=1, max_size=20), min_size=1, max_size=6))
def test_it_is_the_histogram_that_its_last_width_gives_for_all_values(batches: list[list[float]]) -> None:
    histogram = filled(*([batch] for batch in batches))
    values = np.concatenate(batches)
    assert (histogram.low, histogram.high) == (values.min(), values.max())
    # Beyond 2^150 times smaller than the width, a float32 is zero after scaling, and lies in zero's bin.
    found, wanted = (
        as_dict(histogram),
        brute_force(np.where(np.abs(values) < histogram.width * 1e-30, 0, values), histogram.width),
    )
    tiny = np.abs(values)[np.abs(values) > 0].min(initial=np.inf) < histogram.width * 1e-30
    assert sum(found.values()) == len(values)
    if not tiny:
        assert found == wanted


def test_growth_in_many_small_steps_loses_no_count() -> None:
    steps = np.geomspace(1e-6, 1e6, 500) * np.where(np.arange(500) % 3, 1, -1)
    histogram = filled(*([[step] * 3] for step in steps))
    assert as_dict(histogram) == brute_force(np.repeat(steps, 3).astype(np.float32), histogram.width)


@pytest.mark.parametrize("sides", [(0, 1), (-1, 0), (-1, 1), (-1, 20), (3, 4)], ids=str)
@pytest.mark.parametrize("scale", [1e-30, 1, 7e8])
def test_more_than_half_of_the_bins_lie_between_zero_and_the_extremes(sides: tuple[int, int], scale: float) -> None:
    rng = np.random.default_rng(0)
    histogram = filled(*(rng.uniform(*sides, (4, 500)) * scale * share for share in (0.01, 0.3, 1)))
    first, counts = histogram.occupied()
    assert BINS / 2 - 1 <= len(counts) <= BINS
    assert first <= 0 < first + len(counts)


def test_scaling_is_exact_next_to_an_edge() -> None:
    """A float32 just under a bin's edge is not rounded up to it, at any place of the histogram."""
    histogram = filled([[-8, 8 - 2**-9]])
    edges = np.arange(-2000, 2000, dtype=np.float32) * np.float32(histogram.width)
    under = np.nextafter(edges, np.float32(-np.inf))
    counted = filled([[-8, 8 - 2**-9]], [under])
    assert counted.width == histogram.width
    assert as_dict(counted) == brute_force(np.concatenate([[-8, 8 - 2**-9], under]), histogram.width)


def test_a_large_example_counts_its_sample_and_keeps_exact_extremes() -> None:
    x = np.random.default_rng(0).normal(size=(3, 40_000)).astype(np.float32)
    x[1, 12_345], x[2, 999] = -77, 99
    histogram = Histogram()
    histogram.add(x[:1])
    histogram.add(x[1:])
    assert (histogram.low, histogram.high) == (-77, 99)
    assert as_dict(histogram) == brute_force(sample(x, 0), histogram.width)


def test_an_outlier_takes_no_memory() -> None:
    histogram = filled([[1e-3] * 5], [[3e38]], [[-3e38]])
    _, counts = histogram.occupied()
    assert len(counts) <= BINS
    assert counts.sum() == 7


def test_the_width_is_a_power_of_two() -> None:
    assert math.frexp(filled([[0.3, -17]]).width)[0] == 0.5


def test_zero_alone_is_one_bin() -> None:
    assert as_dict(filled([[0.0, -0.0]])) == {0: 2}
