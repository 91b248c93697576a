"""The profiler's entries find their operators."""

from __future__ import annotations

import pytest

from pipeline.benchmarking.profile.attribute import attribute, fits
from pipeline.benchmarking.profile.profiler import Profile, Timing

CONV, DW, FC = "Convolution (NHWC, QC8) IGEMM", "Convolution (NHWC, QC8) DWConv", "Fully Connected (NC, QS8, QC8W) GEMM"


def of(entries: list[tuple[str, bool, int, float]], partitions: tuple[tuple[int, ...], ...]) -> Profile:
    return Profile(tuple(Timing(*entry) for entry in entries), 0.0, partitions)


def test_one_piece_in_order() -> None:
    profile = of([(CONV, True, 0, 5), (DW, True, 1, 3), (FC, True, 2, 2)], ((0, 1, 2),))
    times, tags, outside = attribute(profile, ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"])
    assert (times, tags, outside) == ([5, 3, 2], [[CONV], [DW], [FC]], frozenset())


def test_a_fused_operator_has_nothing_of_its_own() -> None:
    times, tags, _ = attribute(of([(CONV, True, 0, 5), (FC, True, 1, 2)], ((0, 1, 2),)), ["PAD", "CONV_2D", "CONV_2D"])
    assert (times, tags) == ([0, 5, 2], [[], [CONV], [FC]])


def test_what_xnnpack_adds_counts_to_the_operator_before() -> None:
    entries = [(CONV, True, 0, 5.0), ("Add (ND)", True, 1, 2.0), ("Clamp (NC)", True, 2, 1.0), (CONV, True, 3, 4.0)]
    times, tags, _ = attribute(of(entries, ((0, 1, 2),)), ["CONV_2D", "ADD", "CONV_2D"])
    assert times == [5, 3, 4]
    assert tags[1] == ["Add (ND)", "Clamp (NC)"]


def test_a_clamp_of_its_own_is_the_relu() -> None:
    entries = [("Add (ND)", True, 0, 2.0), ("Clamp (NC)", True, 1, 1.0)]
    assert attribute(of(entries, ((0, 1),)), ["ADD", "RELU"])[0] == [2, 1]


def test_pieces_and_operators_outside_as_in_resnet8() -> None:
    entries = [
        (CONV, True, 0, 5.0),
        ("AVERAGE_POOL_2D", False, 1, 3.0),
        ("Static Reshape (NC)", True, 0, 0.5),
        ("Static Reshape (NC)", True, 1, 0.5),
        (FC, True, 2, 2.0),
        ("SOFTMAX", False, 4, 1.0),
    ]
    kinds = ["CONV_2D", "AVERAGE_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]
    times, _, outside = attribute(of(entries, ((0,), (2, 3))), kinds)
    assert times == [5, 3, 1, 2, 1]
    assert outside == {1, 4}
    # The same where the interpreter's pieces are not known.
    assert attribute(of(entries, ()), kinds)[0] == times


def test_pieces_follow_one_another_without_an_operator_between() -> None:
    entries = [(CONV, True, 0, 5.0), (CONV, True, 0, 4.0)]
    assert attribute(of(entries, ((0,), (1,))), ["CONV_2D", "CONV_2D"])[0] == [5, 4]


def test_all_time_is_attributed_whatever_the_names() -> None:
    entries = [("Nobody's (ND)", True, 0, 5.0), (CONV, True, 1, 4.0), ("Unheard of", True, 2, 2.0)]
    times, _, _ = attribute(of(entries, ((0, 1),)), ["CONV_2D", "ADD"])
    assert sum(times) == 11


@pytest.mark.parametrize(
    ("tag", "kind", "expected"),
    [
        (FC, "CONV_2D", True),
        (FC, "FULLY_CONNECTED", True),
        (FC, "ADD", False),
        (DW, "DEPTHWISE_CONV_2D", True),
        (DW, "CONV_2D", False),
        ("Mean (ND) Reduce", "MEAN", True),
        ("Softmax (NC, F32)", "SOFTMAX", True),
        ("Square Root (ND)", "SQUARE", False),
        ("Abs (ND)", "ABS", True),
    ],
)
def test_names(tag: str, kind: str, expected: bool) -> None:
    assert fits(tag, kind) == expected
