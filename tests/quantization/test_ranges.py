"""Ranges can be made symmetric, given back to calibration, and compared."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.quantization.range_differences import compare
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.tap import activations
from pipeline.recipe import Quantize
from pipeline.tflite.flatbuffer import quantization, read
from pipeline.tflite.runner import Runner
from tests.answers import answer
from tests.quantization.networks import examples, stack

X = examples()


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 6), (-3, 0.5), (-0.2, 7)])
def test_a_symmetric_range_holds_the_other_and_has_zero_in_the_middle(low: float, high: float) -> None:
    first, last = Ranges({"a": (low, high)}).symmetric()["a"]
    step = (last - first) / 255
    assert first <= low + 1e-9
    assert last >= high - 1e-9
    assert round(-128 - first / step) == 0
    assert min(first - low, high - last, key=abs) == pytest.approx(0, abs=1e-9)


def test_symmetric_activations_have_the_zero_point_0_everywhere() -> None:
    settings = Settings.of(Quantize(activations="symmetric"))
    prepared = prepare(stack(), lambda: [{"x": X}], settings)
    content, _ = quantize(prepared, "int8", lambda: [{"x": X}], settings)
    quantized = [found for tensor in read(content).subgraphs[0].tensors if (found := quantization(tensor)) is not None]
    assert len(quantized) > 10
    assert not any(np.any(found.zero_points) for found in quantized)
    expected = answer(Runner(stack(), batch=4), X)
    noise = np.abs(answer(Runner(content, batch=4), X) - expected).max()
    assert noise < 0.1 * np.ptp(expected)


def test_given_ranges_are_taken_and_nothing_is_measured() -> None:
    known = calibrate(stack(), [{"x": X}])
    narrow = Ranges({name: (low / 2, high / 2) for name, (low, high) in known.items()}, "by hand")

    def no_data() -> list[np.ndarray]:
        raise AssertionError("the data were read")

    assert prepare(stack(), no_data, Settings(), given=narrow).ranges == narrow


def test_what_the_given_ranges_do_not_know_is_measured() -> None:
    known = calibrate(stack(), [{"x": X}])
    prepared = prepare(stack(), lambda: [{"x": X}], Settings(), given=Ranges({"conv": (0.0, 1.0)}, "by hand"))
    assert prepared.ranges["conv"] == (0.0, 1.0)
    assert prepared.ranges["dense"] == known["dense"]
    assert set(prepared.ranges) == set(activations(stack()))


def test_another_models_ranges_are_refused() -> None:
    with pytest.raises(InputError, match="another model"):
        prepare(stack(), lambda: [{"x": X}], Settings(), given=Ranges({"nobody": (0, 1)}))


def test_ranges_and_equalization_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Quantize(ranges=Path("ranges.json"), equalize=True)


def test_the_farthest_apart_come_first() -> None:
    first = Ranges({"same": (0, 1), "wider": (-1, 1), "gone": (0, 1)})
    second = Ranges({"same": (0, 1), "wider": (-2, 2), "new": (0, 3)})
    found = compare(first, second)
    assert {found[0].tensor, found[1].tensor} == {"gone", "new"}
    assert [(entry.tensor, entry.ratio) for entry in found[2:]] == [("wider", 2.0), ("same", 1.0)]
    assert found[0].ratio is None
    assert json.dumps([entry.to_json() for entry in found], allow_nan=False)


def test_ranges_without_overlap_are_infinitely_apart() -> None:
    [found] = compare(Ranges({"a": (0, 1)}), Ranges({"a": (2, 3)}))
    assert found.apart == math.inf


def test_different_models_are_not_compared() -> None:
    with pytest.raises(InputError, match="different models"):
        compare(Ranges({"a": (0, 1)}), Ranges({"b": (0, 1)}))
