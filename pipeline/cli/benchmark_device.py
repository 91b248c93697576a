"""`pipeline benchmark --device`: parse what only phones need, call the stage, show."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.benchmarking.host import Host
    from pipeline.benchmarking.latency import LatencyResult
    from pipeline.device.device_benchmark import Measured
    from pipeline.device.results import RunResult

_Ratio = tuple[str, float, tuple[float, float] | None]


def benchmark(
    arguments: Sequence[str],
    *,
    serials: Sequence[str],
    runner: str,
    binary: Path | None,
    apk: Path | None,
    delegate: str,
    affinity: str,
    threads: int,
    runs: int,
    min_secs: float,
    warmup: int,
    rounds: int,
    parity: bool,
    profile: Path | None,
    compare: bool,
    output: Path | None,
    json: bool,
) -> None:
    """Measure on one or more devices and show a table a device."""
    from pipeline.cli import show
    from pipeline.device import adb, devices, session
    from pipeline.device.device_benchmark import ENOUGH_ROUNDS, to_json
    from pipeline.device.results import Delegate
    from pipeline.device.settings import Affinity, Settings
    from pipeline.errors import InputError
    from pipeline.files import write_text
    from pipeline.progress import bar
    from pipeline.workflow import targets

    known = [entry.serial for entry in devices.listed(adb.find())]
    among = [argument for argument in arguments if argument in known and not Path(argument).exists()]
    models = targets.model_files([Path(argument) for argument in arguments if argument not in among])
    if compare and (len(models) < 2 or rounds < ENOUGH_ROUNDS):
        raise InputError(
            f"--compare takes two or more models and --rounds {ENOUGH_ROUNDS} or more, not {len(models)} and "
            f"{rounds}: fewer rounds give no 95 % interval."
        )
    order = session.Order(
        models,
        serials=[*serials, *among],
        runner=_one_of("--runner", runner, get_args(session.RunnerName)),
        benchmark_binary=binary,
        apk=apk,
        settings=Settings(
            threads=threads,
            delegate=_one_of("--delegate", delegate, get_args(Delegate)),
            runs=runs,
            min_secs=min_secs,
            warmup_runs=warmup,
            warmup_min_secs=0.5 if warmup else 0.0,
            affinity=_one_of("--affinity", affinity, get_args(Affinity)),
        ),
        rounds=rounds,
        parity=parity,
        profile=profile,
    )
    found = session.benchmark(order, track=bar, say=show.say)
    if output is not None:
        write_text(output, json_module.dumps(to_json(found), indent=1) + "\n")
    if json:
        show.as_json(to_json(found))
        return
    _print(found, rounds)
    if compare:
        for entries in found.values():
            say_ratios([(entry.name, entry.ratio_to_first, entry.ratio_interval) for entry in entries])
    if output is not None:
        echo(f"{output} holds every run.")


def write_host(output: Path, timings: Mapping[str, LatencyResult], host: Host, *, xnnpack: bool) -> None:
    """Write a host's measurement as `--device` writes a phone's."""
    from pipeline.device.device_benchmark import Measured, to_json
    from pipeline.device.host_result import of
    from pipeline.files import write_text

    asked = "xnnpack" if xnnpack else "none"
    measured = [
        Measured(name, (of(timing, host, asked=asked),), None, timing.ratio_to_first, timing.ratio_interval)
        for name, timing in timings.items()
    ]
    write_text(output, json_module.dumps(to_json({"host": measured}), indent=1) + "\n")


def say_ratios(ratios: Sequence[_Ratio]) -> None:
    """A line for each model but the first."""
    first = ratios[0][0]
    for name, ratio, interval in ratios[1:]:
        between = "" if interval is None else f", 95 % interval {interval[0]:.3f} to {interval[1]:.3f}"
        echo(f"{name} takes {ratio:.3f} of {first}'s time{between}")


def _one_of(option: str, value: str, known: tuple[str, ...]) -> Any:
    from pipeline.errors import InputError, did_you_mean

    if value not in known:
        raise InputError(f"{option} does not know '{value}'.{did_you_mean(value, known)}")
    return value


def _print(found: Mapping[str, Sequence[Measured]], rounds: int) -> None:
    from pipeline.cli import show

    for entries in found.values():
        result = entries[0].rounds[0]
        show.table(
            ["model", "p50", "p95", "first", "load", "memory", "size", "ratio"],
            [_row(entry) for entry in entries],
            title=f"{rounds} rounds in turns, {result.threads} thread{'s' * (result.threads != 1)}; times in ms",
        )
        echo(f"{_device(result)}, {_cores(result)}; {result.runner_version}; kind: {result.kind}")
        for entry in entries:
            echo(f"{entry.name}: {_delegate(entry.rounds[0])}{_parity(entry)}")
        for reason in dict.fromkeys(reason for entry in entries for reason in entry.why_not_valid):
            echo(f"not valid: {reason}")


def _row(entry: Measured) -> tuple[str, ...]:
    from pipeline.cli import show

    first = entry.rounds[0]
    peak = max((result.memory.peak_mb or 0 for result in entry.rounds), default=0)
    return (
        entry.name,
        *(_ms(entry.latency_us[name]) for name in ("p50", "p95")),
        _ms(first.first_us),
        _ms(first.init_us),
        f"{peak:.1f} MB" if peak else "–",
        "–" if first.model.size_bytes is None else show.size(first.model.size_bytes),
        f"{entry.ratio_to_first:.3f}",
    )


def _delegate(result: RunResult) -> str:
    found = result.delegate
    share = "" if found.delegated_nodes is None else f" {found.delegated_nodes} of {found.total_nodes or '?'} nodes"
    return f"{found.asked} asked for, {found.got or 'unknown'} runs{share or ' it'}"


def _parity(entry: Measured) -> str:
    if entry.parity is None or entry.parity.identical is None:
        return "; outputs not compared"
    if entry.parity.identical:
        return "; outputs identical to this host's"
    return f"; {entry.parity.differing_bytes} bytes of the outputs differ from this host's"


def _device(result: RunResult) -> str:
    facts = result.device
    known = [facts.manufacturer, facts.model, f"({facts.soc})" if facts.soc else None]
    return " ".join(filter(None, known)) + f", Android {facts.android or '?'}, {facts.abi or '?'}"


def _cores(result: RunResult) -> str:
    return "any core" if result.affinity is None else f"cores {', '.join(map(str, result.affinity))}"


def _ms(us: float | None) -> str:
    return "–" if us is None else f"{us / 1000:.3g}"
