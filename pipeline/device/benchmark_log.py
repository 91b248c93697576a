"""What benchmark_model prints: TFLite's and LiteRT's words, of old and new builds.

The log is for people and changes between releases, so it checks the result file and only stands in for it where a build
has none. Its words come from `benchmark_model.cc`, `stats_calculator.h`, `benchmark_litert_model.h` and `subgraph.cc`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.device.results import Delegation
from pipeline.errors import PipelineError

_NUMBER = r"(-?nan|[-+\d.eE]+)"
_COUNT = re.compile(r"\bcount=(\d+)")
_STATISTIC = re.compile(rf"\b(first|curr|min|max|avg|std|p5|median|p95)={_NUMBER}")
_TFLITE = re.compile(
    rf"Inference timings in us: Init: {_NUMBER}, First inference: {_NUMBER}, Warmup \(avg\): {_NUMBER},+ "
    rf"Inference \(avg\): {_NUMBER}"
)
_LITERT = {
    "init": re.compile(rf"Model initialization:\s+{_NUMBER} ms"),
    "first": re.compile(rf"Warmup \(first\):\s+{_NUMBER} ms"),
    "avg": re.compile(rf"Inference \(avg\):\s+{_NUMBER} ms \(\d+ runs\)"),
    "count": re.compile(r"Inference \(avg\):\s+\S+ ms \((\d+) runs\)"),
    "min": re.compile(rf"Inference \(min\):\s+{_NUMBER} ms"),
    "max": re.compile(rf"Inference \(max\):\s+{_NUMBER} ms"),
}
_PEAK = re.compile(rf"(?:Overall peak memory footprint \(MB\) via periodic monitoring:|Peak memory:) +{_NUMBER}")
_REPLACING = re.compile(
    r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^)]*)\) node"
    r"(?:, yielding (\d+) partitions)?"
)
_APPLIED = re.compile(r"Explicitly applied (\S+) delegate, and the model graph will be (completely|partially)")
_NOT_APPLIED = re.compile(r"Though (\S+) delegate is explicitly applied, the model graph will not be executed")
_COMPLAINT = re.compile(r"^(?:ERROR: *|FATAL: *|E tflite *: *|.*\bERROR: )(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class LogResult:
    """What the log tells, in µs; None for what it does not."""

    runs: int
    mean_us: float
    min_us: float | None
    max_us: float | None
    median_us: float | None
    p95_us: float | None
    init_us: float | None
    first_us: float | None
    peak_mb: float | None
    rounding_us: float
    """How far the printed times may be from the true ones, beside their six digits: LiteRT rounds to 0.01 ms."""


def parse(text: str) -> LogResult:
    """The result in the log of a run that ended well.

    Raises:
        PipelineError: it holds no result: cut short, or another program's.
    """
    found = _litert(text) or _tflite(text)
    if found is None or found.runs < 1:
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
        raise PipelineError(
            f"The log of benchmark_model holds no timed run; its last line is: {last[:200]}. Run the benchmark again; "
            "if it stays so, give another --benchmark-binary."
        )
    return found


def delegation(text: str, asked: str) -> Delegation:
    """Which delegate runs how much, as far as the log tells."""
    taken = [(canonical(name), int(part), whole, parts) for part, whole, name, parts in _REPLACING.findall(text)]
    mine = [entry for entry in taken if entry[0] == asked] or taken[:1]
    if mine:
        nodes = sum(part for _, part, _, _ in mine)
        wholes = [int(whole) for _, _, whole, _ in mine if whole]
        partitions = [int(parts) for _, _, _, parts in mine if parts]
        return Delegation(
            asked=asked,
            got=mine[0][0] if nodes else "none",
            delegated_nodes=nodes,
            total_nodes=sum(wholes) if len(wholes) == len(mine) else None,
            partitions=sum(partitions) if len(partitions) == len(mine) else None,
        )
    applied = _APPLIED.search(text)
    if applied:
        return Delegation(asked=asked, got=canonical(applied[1]))
    if _NOT_APPLIED.search(text):
        return Delegation(asked=asked, got="none", delegated_nodes=0)
    return Delegation(asked=asked, got="none" if asked == "none" else "unknown")


def complaint(text: str) -> str | None:
    """What the program says went wrong: its first error, which the later ones follow from."""
    found = _COMPLAINT.search(text)
    return found[1].strip() if found else None


def canonical(delegate: str) -> str:
    """A delegate's name in this project's words, or its own."""
    lowered = delegate.lower()
    if "xnnpack" in lowered:
        return "xnnpack"
    if "gpu" in lowered or lowered in ("litert_cl", "litert_gl"):
        return "gpu"
    return delegate


def _tflite(text: str) -> LogResult | None:
    # The first line of statistics is the warm-up's, where there was one, and the last that of the timed runs.
    lines = [line for line in text.splitlines() if _COUNT.search(line)]
    timings = _TFLITE.search(text)
    if not lines or timings is None:
        return None
    count = _COUNT.search(lines[-1])
    assert count is not None
    values = {name: float(value) for name, value in _STATISTIC.findall(lines[-1])}
    # A single run, or several of the same length, are printed as `count=1 curr=X` and `count=3 curr=X(all same)`.
    only = values.get("curr") if "avg" not in values else None
    # Without a warm-up its line says `count=0`, and the summary calls the first inference 0.
    warmed_up = len(lines) < 2 or "count=0" not in lines[0].split()
    return LogResult(
        runs=int(count[1]),
        mean_us=float(timings[4]),
        min_us=values.get("min", only),
        max_us=values.get("max", only),
        median_us=values.get("median", only),
        p95_us=values.get("p95", only),
        init_us=float(timings[1]),
        first_us=float(timings[2]) if warmed_up else None,
        peak_mb=_peak(text),
        rounding_us=0.0,
    )


def _litert(text: str) -> LogResult | None:
    found = {name: pattern.search(text) for name, pattern in _LITERT.items()}
    mean, count = found["avg"], found["count"]
    if mean is None or count is None:
        return None

    def us(name: str) -> float | None:
        match = found[name]
        return None if match is None else float(match[1]) * 1000

    return LogResult(
        runs=int(count[1]),
        mean_us=float(mean[1]) * 1000,
        min_us=us("min"),
        max_us=us("max"),
        median_us=None,
        p95_us=None,
        init_us=us("init"),
        first_us=us("first"),
        peak_mb=_peak(text),
        rounding_us=5.0,
    )


def _peak(text: str) -> float | None:
    found = _PEAK.search(text)
    return None if found is None else float(found[1])
