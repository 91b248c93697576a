"""`pipeline benchmark`: latency and memory on this host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson


def benchmark(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite files, or a run; the newest run by default.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Timed rounds.")] = 50,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Untimed rounds before them.")] = 5,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 1,
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack", help="The XNNPACK delegate.")] = True,
    json: AsJson = False,
) -> None:
    """Time models side by side, in turns, through LiteRT on this host.

    Example: pipeline benchmark runs/mobilenet/float.tflite runs/mobilenet/int8.tflite --threads 2
    """
    from pipeline import run
    from pipeline.benchmark import latency
    from pipeline.benchmark.host import describe_host
    from pipeline.cli import show
    from pipeline.progress import bar

    files = run.model_files(models or [])
    timings = latency.benchmark(
        list(files.values()), runs=runs, warmup=warmup, threads=threads, xnnpack=xnnpack, track=bar
    )
    host = describe_host()
    if json:
        blocks = {name: timing.to_json() for name, timing in zip(files, timings, strict=True)}
        single = next(iter(blocks.values())) if len(blocks) == 1 else blocks
        show.as_json({**single, "host": host.to_json()})
        return
    show.table(
        ["model", "p50", "p90", "p99", "first", "load", "memory", "size", "XNNPACK", "ratio"],
        [
            (
                name,
                *(f"{timing.percentile_ms(percent):.3g}" for percent in (50, 90, 99)),
                f"{timing.first_inference_ms:.3g}",
                f"{timing.load_ms:.3g}",
                show.size(timing.peak_memory_bytes),
                show.size(timing.size_bytes),
                f"{timing.delegated:.0%}",
                f"{timing.ratio_to_first:.3f}",
            )
            for name, timing in zip(files, timings, strict=True)
        ],
        title=f"{runs} rounds in turns, {threads} thread{'s' * (threads > 1)}; times in ms",
    )
    typer.echo(
        f"{host.cpu}, {host.cores} cores, int8 instructions: {', '.join(host.int8) or 'none'}; "
        f"load {host.load_average[0]:.1f}. A host's time is not a phone's."
    )
    for note in dict.fromkeys(note for timing in timings for note in timing.notes):
        typer.echo(f"note: {note}")
