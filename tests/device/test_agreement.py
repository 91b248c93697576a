"""benchmark_model's two accounts of a run must tell the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.device.agreement import hold_together, latency
from pipeline.device.benchmark_log import LogResult
from pipeline.device.benchmark_proto import ProtoResult
from pipeline.errors import PipelineError

PROTO = ProtoResult(464.5454, 442, 979, 13, 462, 460, 478, 5685, 463, 470, 2112, 300, 9.1, 3000)
LOG = LogResult(2112, 464.545, 442, 979, 462, 478, 5685, 463, 9.1, rounding_us=0)


def test_six_digits_of_the_same_number_agree() -> None:
    hold_together(PROTO, LOG)


def test_litert_may_round_to_a_hundredth_of_a_millisecond() -> None:
    hold_together(PROTO, LogResult(2112, 460, 440, 980, None, None, 5690, 460, None, rounding_us=5))
    with pytest.raises(PipelineError, match="mean"):
        hold_together(PROTO, LogResult(2112, 450, 440, 980, None, None, 5690, 460, None, rounding_us=5))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mean_us": 464.6}, "mean 464.545 µs and 464.6 µs"),
        ({"min_us": 441}, "min"),
        ({"max_us": 1979}, "max"),
        ({"init_us": 1}, "init"),
        ({"first_us": 1}, "first inference"),
        ({"runs": 2111}, "2112 runs and 2111"),
    ],
)
def test_a_difference_is_named(change: dict[str, float], named: str) -> None:
    with pytest.raises(PipelineError, match=f"disagree .*{named}.*neither can be believed"):
        hold_together(PROTO, replace(LOG, **change))


def test_what_one_of_them_does_not_tell_is_no_difference() -> None:
    hold_together(replace(PROTO, init_us=None), replace(LOG, min_us=None, first_us=None))


def test_the_file_comes_first_and_the_log_stands_in() -> None:
    assert latency(PROTO, LOG).mean == 464.5454
    assert latency(None, LOG).mean == 464.545
    assert (latency(PROTO, LOG).p50, latency(PROTO, LOG).p90) == (462, None)
