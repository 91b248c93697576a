"""One result out of benchmark_model's two accounts of a run; where they disagree, neither is believed."""

from __future__ import annotations

import math

from pipeline.device.benchmark_log import LogResult
from pipeline.device.benchmark_proto import ProtoResult
from pipeline.device.results import Latency
from pipeline.errors import PipelineError

_DIGITS = 1e-5
"""C++ prints six significant digits."""


def hold_together(proto: ProtoResult, log: LogResult) -> None:
    """Compare the result file with the log.

    Raises:
        PipelineError: they tell different things of the run.
    """
    pairs = {
        "mean": (proto.mean_us, log.mean_us),
        "min": (proto.min_us, log.min_us),
        "max": (proto.max_us, log.max_us),
        "init": (proto.init_us, log.init_us),
        "first inference": (proto.first_us, log.first_us),
    }
    apart = [
        f"{name} {ours:.6g} µs and {theirs:.6g} µs"
        for name, (ours, theirs) in pairs.items()
        if ours is not None and theirs is not None and not _same(ours, theirs, log.rounding_us)
    ]
    if proto.runs != log.runs:
        apart.append(f"{proto.runs} runs and {log.runs}")
    if apart:
        raise PipelineError(
            f"benchmark_model's result file and its log disagree ({'; '.join(apart)}), so neither can be believed. "
            "Run the benchmark again; if it stays so, give another --benchmark-binary."
        )


def latency(proto: ProtoResult | None, log: LogResult) -> Latency:
    """The statistics of the timed runs: the file's, or the log's where the build writes no file."""
    if proto is None:
        return Latency(p50=log.median_us, p95=log.p95_us, min=log.min_us, max=log.max_us, mean=log.mean_us)
    return Latency(p50=proto.median_us, p95=proto.p95_us, min=proto.min_us, max=proto.max_us, mean=proto.mean_us)


def _same(ours: float, theirs: float, rounding_us: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=_DIGITS, abs_tol=rounding_us * 1.01)
