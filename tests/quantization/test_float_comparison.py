"""Candidates beside the float model, on a part of the examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.quantization.float_comparison import FloatComparison, part_of
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tensors import Tensors
from tests.quantization.networks import examples, stack


def test_the_float_model_is_no_noise_away_from_itself() -> None:
    compare = FloatComparison(stack(), [{"x": examples(3)}, {"x": examples(2)}], Fidelity(), 1)
    assert compare.examples == 5
    found = compare(stack())
    assert found.identical
    assert found.n == 5


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (3, 9), (4, 8), (7, 12), (0, 12)])
def test_examples_are_cut_out_of_a_stream_of_batches(start: int, stop: int) -> None:
    numbers = np.arange(12)

    def batches() -> Iterator[Tensors]:
        for part in np.split(numbers, [4, 4, 7]):
            yield {"a": part, "b": 10 * part}

    found = list(part_of(batches(), start, stop))
    np.testing.assert_array_equal(np.concatenate([batch["a"] for batch in found]), numbers[start:stop])
    np.testing.assert_array_equal(np.concatenate([batch["b"] for batch in found]), 10 * numbers[start:stop])
