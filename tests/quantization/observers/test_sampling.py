from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.quantization.observers.sampling import SAMPLES, sample, stride

SHAPES = [(112, 112, 96), (112, 112, 2), (56, 56, 144), (128, 128, 3), (16384,), (8193,), (7, 7, 1280), (3, 5)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


def numbered(*shape: int) -> np.ndarray:
    """Every value is its own place."""
    return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


@shapes
def test_an_example_gives_no_more_than_its_share_and_not_much_less(shape: tuple[int, ...]) -> None:
    taken = sample(numbered(1, *shape), 0)
    assert min(math.prod(shape), SAMPLES) / 2 <= len(taken) <= SAMPLES


@shapes
def test_the_stride_is_coprime_to_every_axis(shape: tuple[int, ...]) -> None:
    assert all(math.gcd(stride(math.prod(shape)), axis) == 1 for axis in shape)


def test_a_small_example_is_taken_whole() -> None:
    x = numbered(3, 4, 5)
    np.testing.assert_array_equal(sample(x, 60), x.reshape(-1))


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["row", "column", "channel"])
def test_all_places_of_an_axis_are_taken_alike(axis: int) -> None:
    shape = (64, 64, 32)
    taken = sample(numbered(1, *shape), 0).astype(int)
    counts = np.bincount(np.unravel_index(taken, shape)[axis], minlength=shape[axis])
    assert counts.min() >= len(taken) // shape[axis] - 2
    assert counts.max() <= len(taken) // shape[axis] + 2


def test_examples_are_entered_at_other_offsets_until_every_value_was_taken_once() -> None:
    size = 30_000
    example, examples = numbered(1, size), stride(size)
    taken = np.concatenate([sample(example, number * size) for number in range(examples)])
    np.testing.assert_array_equal(np.sort(taken), np.arange(size))


def test_the_same_values_are_taken_however_the_stream_is_cut() -> None:
    x = numbered(6, 5000, 4)
    pieces = [sample(x[a:b], a * 20_000) for a, b in ((0, 1), (1, 4), (4, 6))]
    np.testing.assert_array_equal(np.concatenate(pieces), sample(x, 0))


def test_a_view_with_gaps_gives_what_its_copy_gives() -> None:
    x = numbered(2, 300, 200)[:, :, ::2]
    np.testing.assert_array_equal(sample(x, 0), sample(x.copy(), 0))
