"""Multiply-accumulates, and what instruction sets make of them."""

from __future__ import annotations

import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.work import Work, work
from tests.quantization import networks


def test_multiplications_of_a_network() -> None:
    model = flatbuffer.read(networks.stack())
    found = [work(model, place) for place in range(5)]
    assert [each.macs for each in found] == [
        8 * 8 * 4 * 3 * 3 * 3,  # conv 3x3, 3 → 4
        4 * 4 * 4 * 3 * 3,  # depthwise 3x3, stride 2
        4 * 4 * 6 * 4,  # 1x1, 4 → 6
        0,  # mean
        6 * 5,  # dense
    ]
    assert [each.depthwise for each in found] == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("depth", "channels", "dotprod", "i8mm"),
    [(64, 64, 4.0, 8.0), (4, 16, 4.0, 4.0), (3, 16, 3.0, 3.0), (64, 8, 2.0, 4.0), (9, 16, 3.0, 4.5)],
)
def test_gains_fall_with_channels_that_do_not_fit(depth: int, channels: int, dotprod: float, i8mm: float) -> None:
    own = Work(depth * channels * 100, depth, channels, False)
    assert own.gain("dotprod") == pytest.approx(dotprod)
    assert own.gain("i8mm") == pytest.approx(i8mm)


def test_armv8_0_multiplies_int8_no_faster_than_float() -> None:
    assert Work(6400, 64, 64, False).gain("armv8.0") == pytest.approx(1)


def test_depthwise_gains_nothing_from_dot_products() -> None:
    own = Work(900, 1, 16, True)
    assert {own.gain(name) for name in ("armv8.0", "dotprod", "i8mm")} == {1.0}


def test_what_multiplies_nothing_has_no_gain() -> None:
    assert Work(0, 0, 8, False).gain("dotprod") is None
