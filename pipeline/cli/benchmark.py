"""`pipeline benchmark`: latency and memory on this host, or on phones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.options import AsJson, finite
from pipeline.cli.show import echo

PHONE: dict[str, Any] = {"rich_help_panel": "On a phone"}


def benchmark(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite files, or a run; the newest run by default.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=10**7, help="Timed rounds.")] = 50,
    warmup: Annotated[int, typer.Option("--warmup", min=0, max=10**7, help="Untimed rounds before them.")] = 5,
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024)] = 1,
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack", help="The XNNPACK delegate.")] = True,
    compare: Annotated[
        bool, typer.Option("--compare", help="Say each model's ratio to the first, with its 95 % interval.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write every run as JSON, hosts' and phones' alike.")
    ] = None,
    device: Annotated[
        bool, typer.Option("--device", help="On a phone; its serial may be given among the models.", **PHONE)
    ] = False,
    serials: Annotated[
        list[str] | None, typer.Option("--serial", metavar="SERIAL", help="Which phone. Repeatable.", **PHONE)
    ] = None,
    runner: Annotated[
        str, typer.Option("--runner", metavar="native|app", help="benchmark_model, or this project's app.", **PHONE)
    ] = "native",
    binary: Annotated[
        Path | None,
        typer.Option("--benchmark-binary", metavar="FILE", help="A benchmark_model; fetched by default.", **PHONE),
    ] = None,
    apk: Annotated[
        Path | None, typer.Option("--apk", metavar="FILE", help="Install this app first (--runner app).", **PHONE)
    ] = None,
    delegate: Annotated[
        str | None, typer.Option("--delegate", metavar="xnnpack|gpu|none", help="Runs the operators.", **PHONE)
    ] = None,
    affinity: Annotated[
        str, typer.Option("--affinity", metavar="big|all", help="The fast cores, or any.", **PHONE)
    ] = "big",
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=10**6, help="Turns of all models, each of --runs inferences.", **PHONE)
    ] = 6,
    min_secs: Annotated[
        float,
        typer.Option(
            "--min-secs",
            min=0,
            max=86_400,
            callback=finite,
            help="Seconds of inferences in each turn, at least.",
            **PHONE,
        ),
    ] = 1.0,
    parity: Annotated[
        bool, typer.Option("--parity/--no-parity", help="Compare the outputs with this host's.", **PHONE)
    ] = True,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", metavar="FILE", help="Write the first model's per-operator profile.", **PHONE),
    ] = None,
    json: AsJson = False,
) -> None:
    """Time models side by side, in turns, through LiteRT on this host, or with --device on a phone.

    Example: pipeline benchmark runs/mobilenet/float.tflite runs/mobilenet/int8.tflite --threads 2
    Example: pipeline benchmark float.tflite int8.tflite --device --compare --benchmark-binary benchmark_model
    """
    from pipeline.cli import benchmark_device

    if device:
        benchmark_device.benchmark(
            [str(model) for model in models or []],
            serials=serials or [],
            runner=runner,
            binary=binary,
            apk=apk,
            delegate=delegate or ("xnnpack" if xnnpack else "none"),
            affinity=affinity,
            threads=threads,
            runs=runs,
            min_secs=min_secs,
            warmup=warmup,
            rounds=rounds,
            parity=parity,
            profile=profile,
            compare=compare,
            output=output,
            json=json,
        )
        return
    from pipeline.benchmarking import latency
    from pipeline.benchmarking.host import describe_host
    from pipeline.cli import show
    from pipeline.progress import bar
    from pipeline.workflow import targets

    files = targets.model_files(models or [])
    timings = latency.benchmark(
        list(files.values()), runs=runs, warmup=warmup, threads=threads, xnnpack=xnnpack, track=bar
    )
    host = describe_host()
    if output is not None:
        benchmark_device.write_host(output, dict(zip(files, timings, strict=True)), host, xnnpack=xnnpack)
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
    echo(
        f"{host.cpu}, {host.cores} cores, int8 instructions: {', '.join(host.int8) or 'none'}; "
        f"load {host.load_average[0]:.1f}. A host's time is not a phone's."
    )
    if compare:
        benchmark_device.say_ratios(
            [(name, t.ratio_to_first, t.ratio_interval) for name, t in zip(files, timings, strict=True)]
        )
    for note in dict.fromkeys(note for timing in timings for note in timing.notes):
        echo(f"note: {note}")
