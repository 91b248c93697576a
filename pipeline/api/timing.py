"""`pipeline.benchmark`: latency and memory of models on this host, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.api.model import files, opened_by_name
from pipeline.benchmarking.host import Host, describe_host
from pipeline.benchmarking.latency import LatencyResult
from pipeline.benchmarking.latency import benchmark as benchmark_files
from pipeline.progress import Track, quiet
from pipeline.text_table import size, text_table


@dataclass(frozen=True, eq=False)
class BenchmarkResult(Mapping[str, LatencyResult]):
    """What models took, by name; ratios are to the first."""

    models: dict[str, LatencyResult]
    host: Host

    def __getitem__(self, name: str) -> LatencyResult:
        return self.models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def to_json(self) -> dict[str, Any]:
        blocks = {name: timing.to_json() | {"model": name} for name, timing in self.models.items()}
        return {"models": blocks, "host": self.host.to_json()}

    def __str__(self) -> str:
        rows = [
            (
                name,
                *(f"{timing.percentile_ms(percent):.3g} ms" for percent in (50, 90)),
                size(timing.peak_memory_bytes),
                size(timing.size_bytes),
                f"{timing.ratio_to_first:.3f}",
            )
            for name, timing in self.models.items()
        ]
        table = text_table(["model", "p50", "p90", "memory", "size", "ratio"], rows)
        threads = next(iter(self.models.values())).threads
        notes = dict.fromkeys(note for timing in self.models.values() for note in timing.notes)
        where = f"{self.host.cpu}, {threads} thread{'s' * (threads > 1)}; a host's time is not a phone's"
        return "\n".join([table, where, *notes])


def benchmark(
    models: Any,
    *,
    runs: int = 50,
    warmup: int = 5,
    threads: int = 1,
    xnnpack: bool = True,
    track: Track = quiet,
) -> BenchmarkResult:
    """Time models in turns: one inference of each a round, so that a drift of the machine hits all alike.

    Args:
        models: One model, a list, or a mapping from names: a .tflite or Keras file, bytes, a Keras model, a result of
            `quantize`. The first is what the others' times are divided by.
        runs: Rounds, and so samples of each model.
        warmup: Untimed rounds before them.
        threads: CPU threads of each model.
        xnnpack: Whether XNNPACK computes, or TFLite's own kernels.
        track: Progress, for example `pipeline.progress.bar`.

    Raises:
        InputError: no such model, or runs, warmup or threads out of range.
        PipelineError: a model fails while it runs.

    Example:
        >>> print(benchmark(["float.tflite", "int8.tflite"]))  # doctest: +SKIP
    """
    named = opened_by_name(models)
    with files(named) as paths:
        timings = benchmark_files(
            list(paths.values()), runs=runs, warmup=warmup, threads=threads, xnnpack=xnnpack, track=track
        )
    return BenchmarkResult(dict(zip(named, timings, strict=True)), describe_host())
