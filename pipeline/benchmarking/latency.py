"""Latency of .tflite models on this host, side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmarking.example_runner import example_runner
from pipeline.benchmarking.host import available_cores
from pipeline.benchmarking.inputs import random_inputs
from pipeline.benchmarking.memory import peak_memory
from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.tflite.example_shapes import ExampleShapes, example_shapes
from pipeline.tflite.runner import Runner

_SHORTEST_SAMPLE_NS = 50_000
"""Below some 50 µs, reading the clock and calling through Python weigh on a sample."""

_LARGEST_GROUP = 1024

_Clock = Callable[[], int]


@dataclass(frozen=True)
class LatencyResult:
    """What one model took. Times are in milliseconds of one inference, without copying inputs and outputs."""

    model: Path
    size_bytes: int
    load_ms: float
    """Opening the file and preparing the tensors. The file is in the page cache by then."""
    first_inference_ms: float
    samples_ms: tuple[float, ...]
    """In the order taken, one a round."""
    inferences_per_sample: int
    """1, or more where one inference is too short to time."""
    peak_memory_bytes: int
    """Above the baseline; see `pipeline.benchmarking.memory`."""
    baseline_memory_bytes: int
    """The same process without a model."""
    ratio_to_first: float
    """Median over the rounds of this model's time by the first model's; below 1 is faster."""
    ratio_interval: tuple[float, float] | None
    """95 % interval of that median; None with fewer than 6 rounds, which cannot give one."""
    threads: int
    xnnpack: bool
    """Whether XNNPACK runs any of it."""
    delegated: float
    """Share of the operators that XNNPACK runs, 0 to 1."""
    notes: tuple[str, ...]

    @property
    def latency_mean_ms(self) -> float:
        return float(np.mean(self.samples_ms))

    @property
    def latency_min_ms(self) -> float:
        return min(self.samples_ms)

    def percentile_ms(self, percent: float) -> float:
        """Linear between the two nearest samples; p99 of fewer than 100 samples is nearly the slowest one."""
        return float(np.percentile(self.samples_ms, percent))

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "size_bytes": self.size_bytes,
            "latency_p50_ms": self.percentile_ms(50),
            "latency_p90_ms": self.percentile_ms(90),
            "latency_p99_ms": self.percentile_ms(99),
            "latency_mean_ms": self.latency_mean_ms,
            "latency_min_ms": self.latency_min_ms,
            "first_inference_ms": self.first_inference_ms,
            "load_ms": self.load_ms,
            "peak_memory_bytes": self.peak_memory_bytes,
            "baseline_memory_bytes": self.baseline_memory_bytes,
            "threads": self.threads,
            "xnnpack": self.xnnpack,
            "delegated": self.delegated,
            "ratio_to_first": self.ratio_to_first,
            "ratio_interval": None if self.ratio_interval is None else list(self.ratio_interval),
            "runs": len(self.samples_ms),
            "inferences_per_sample": self.inferences_per_sample,
            "notes": list(self.notes),
        }


def benchmark(
    models: Sequence[Path],
    *,
    runs: int = 50,
    warmup: int = 5,
    threads: int = 1,
    xnnpack: bool = True,
    track: Track = quiet,
) -> list[LatencyResult]:
    """Time models in turns: one sample of each a round, so that a drift of the machine hits all alike.

    A sample is one inference. Where that is shorter than 50 µs, a sample is the mean of 2, 4, 8, … in a row,
    the first such group that lasts so long after the warm-up. Inputs are random, the same
    every time, in batches of the model's own size (1 where it is open). Other open dimensions are as large as the
    model's metadata says, else 1.

    Each model's memory is measured first, in a process of its own, so that a file that crashes the runtime
    ends that process and not this one.

    Args:
        models: Files; the first is the one the others are compared with.
        runs: Rounds, and so samples of each model.
        warmup: Untimed rounds before them, after each model's first inference.
        threads: CPU threads of each model.
        xnnpack: As for `Runner`.
        track: Follows the memory measurements and the rounds.

    Returns:
        One result a model, in the given order.

    Raises:
        InputError: no models, a file that is no model, an input that is neither float, integer nor boolean,
            or runs, warmup or threads out of range.
        PipelineError: a model fails while it runs.
    """
    if not models:
        raise InputError("There is nothing to benchmark. Give one or more .tflite files.")
    if runs < 1 or warmup < 0 or threads < 1:
        raise InputError(f"A benchmark takes runs ≥ 1, warmup ≥ 0 and threads ≥ 1, not {runs}, {warmup} and {threads}.")
    for model in models:
        if not model.is_file():
            raise InputError(f"There is no file {model}. Give the path of a .tflite model.")
    baseline = peak_memory(None)
    sizes = [example_shapes(model) for model in models]
    peaks = [
        _peak(model, known, threads, xnnpack)
        for model, known in zip(track(models, "memory", total=len(models)), sizes, strict=True)
    ]
    loaded = [_load(model, known, threads, xnnpack) for model, known in zip(models, sizes, strict=True)]
    calls = [entry.runner.invoke for entry in loaded]
    for _ in range(warmup):
        for call in calls:
            call()
    groups = [_group(call, time.perf_counter_ns) for call in calls]
    samples = _interleave(calls, groups, track(range(runs), "benchmark", total=runs), time.perf_counter_ns)
    results = []
    for place, (model, entry) in enumerate(zip(models, loaded, strict=True)):
        ratio, interval = paired_ratio(samples[place], samples[0])
        delegated = entry.runner.delegated
        results.append(
            LatencyResult(
                model=model,
                size_bytes=model.stat().st_size,
                load_ms=entry.load_ms,
                first_inference_ms=entry.first_ms,
                samples_ms=tuple(samples[place]),
                inferences_per_sample=groups[place],
                peak_memory_bytes=max(0, peaks[place] - baseline),
                baseline_memory_bytes=baseline,
                ratio_to_first=ratio,
                ratio_interval=interval,
                threads=threads,
                xnnpack=delegated > 0,
                delegated=delegated,
                notes=_notes(threads, xnnpack, delegated, sizes[place]),
            )
        )
    return results


def _peak(model: Path, known: ExampleShapes | None, threads: int, xnnpack: bool) -> int:
    try:
        return peak_memory(model, threads=threads, xnnpack=xnnpack, shapes=known.shapes if known else None)
    except InputError as error:
        if known is None or known.note is None:
            raise
        raise InputError(f"{error} {known.note}") from error


@dataclass(frozen=True)
class _Loaded:
    runner: Runner
    load_ms: float
    first_ms: float


def _load(model: Path, known: ExampleShapes | None, threads: int, xnnpack: bool) -> _Loaded:
    start = time.perf_counter_ns()
    runner = example_runner(model, known, threads=threads, xnnpack=xnnpack)
    loaded = time.perf_counter_ns()
    runner.feed(*random_inputs(runner))
    begin = time.perf_counter_ns()
    runner.invoke()
    end = time.perf_counter_ns()
    return _Loaded(runner, (loaded - start) / 1e6, (end - begin) / 1e6)


def _group(call: Callable[[], None], clock: _Clock) -> int:
    """How many calls in a row make one sample."""
    group = 1
    while group < _LARGEST_GROUP:
        start = clock()
        for _ in range(group):
            call()
        if clock() - start >= _SHORTEST_SAMPLE_NS:
            break
        group *= 2
    return group


def _interleave(
    calls: Sequence[Callable[[], None]], groups: Sequence[int], rounds: Iterable[Any], clock: _Clock
) -> list[list[float]]:
    """Samples in ms of each call, one a round: the mean of as many calls in a row as its group says."""
    samples: list[list[float]] = [[] for _ in calls]
    for _ in rounds:
        for call, group, kept in zip(calls, groups, samples, strict=True):
            start = clock()
            for _ in range(group):
                call()
            kept.append((clock() - start) / 1e6 / group)
    return samples


def paired_ratio(times: Sequence[float], first: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Median of the rounds' ratios and its 95 % interval, which assumes nothing about their distribution.

    The interval runs between the two order statistics that the sign test gives: W. R. Thompson, On confidence
    ranges for the median and other expectation distributions. Ann. Math. Statist. 7 (1936) 122–128.
    """
    ratios = sorted(mine / max(theirs, 1e-9) for mine, theirs in zip(times, first, strict=True))
    n = len(ratios)
    # How many ratios may be cut off at each end so that a fair coin thrown n times gives fewer heads than
    # that with a chance of at most 1/40.
    cut, ways = 0, math.comb(n, 0)
    while 40 * ways <= 2**n:
        cut += 1
        ways += math.comb(n, cut)
    interval = (ratios[cut - 1], ratios[n - cut]) if cut else None
    return float(np.median(ratios)), interval


def _notes(threads: int, xnnpack: bool, delegated: float, known: ExampleShapes | None) -> tuple[str, ...]:
    notes = [] if known is None or known.note is None else [known.note]
    if threads > available_cores():
        notes.append(f"{threads} threads were asked for and there are {available_cores()} cores.")
    if xnnpack and delegated == 0:
        notes.append("XNNPACK runs none of this model's operators.")
    return tuple(notes)
