"""Models on one device side by side: in turns, each against the first, each against this host's outputs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.benchmarking.latency import paired_ratio
from pipeline.device.golden_check import Golden, golden
from pipeline.device.results import Parity, RunResult
from pipeline.device.settings import Settings
from pipeline.errors import InputError
from pipeline.progress import Track, quiet

ENOUGH_ROUNDS = 6
"""The fewest rounds that give a 95 % interval."""

_STATISTICS = ("p50", "p90", "p95", "p99", "min", "max", "mean")


class DeviceRunner(Protocol):
    """Runs one model on one device: `NativeRunner` or `AppRunner`."""

    def run(self, model: Path, settings: Settings) -> RunResult: ...

    def parity(self, model: Path, golden: Golden, settings: Settings) -> Parity | None: ...


@dataclass(frozen=True)
class Measured:
    """One model on one device."""

    name: str
    rounds: tuple[RunResult, ...]
    """One a round, in the order taken."""
    parity: Parity | None
    """None where the runner cannot tell; every round's result holds it too."""
    ratio_to_first: float
    """Median over the rounds of this model's time by the first model's; below 1 is faster."""
    ratio_interval: tuple[float, float] | None
    """95 % interval of that median; None with fewer than 6 rounds."""

    @property
    def latency_us(self) -> dict[str, float | None]:
        """Over the rounds: the median of each statistic, of those rounds that report it."""
        return {name: self._over_rounds(name) for name in _STATISTICS}

    @property
    def valid(self) -> bool:
        return all(result.valid for result in self.rounds)

    @property
    def why_not_valid(self) -> list[str]:
        return list(dict.fromkeys(reason for result in self.rounds for reason in result.why_not_valid))

    def to_json(self) -> dict[str, Any]:
        return {
            "latency_us": self.latency_us,
            "ratio_to_first": self.ratio_to_first,
            "ratio_interval": None if self.ratio_interval is None else list(self.ratio_interval),
            "parity": None if self.parity is None else self.parity.model_dump(),
            "valid": self.valid,
            "why_not_valid": self.why_not_valid,
            "rounds": [result.to_json() for result in self.rounds],
        }

    def _over_rounds(self, name: str) -> float | None:
        values = [value for value in (getattr(result.latency_us, name) for result in self.rounds) if value is not None]
        return statistics.median(values) if values else None


def measure(
    runner: DeviceRunner,
    models: Mapping[str, Path],
    settings: Settings,
    *,
    rounds: int = ENOUGH_ROUNDS,
    parity: bool = True,
    track: Track = quiet,
) -> list[Measured]:
    """Time models on a device in turns, one run of each a round, so that its warming up hits all alike.

    Every other round goes through them backwards, so that none always runs on a device that another has heated.

    Args:
        runner: What runs one model once; already entered.
        models: Files by the name that the results give them; the first is what the others are compared with.
        settings: Of every run.
        rounds: How many.
        parity: Whether to compare the outputs for one random input with this host's first.
        track: Follows the runs.

    Returns:
        One entry a model, in the given order.

    Raises:
        InputError: no models or no rounds, or what `runner` refuses.
        PipelineError: a run failed; there is no result then.
    """
    if not models or rounds < 1:
        raise InputError("A benchmark on a device takes one or more models and one or more rounds.")
    compared = {
        name: runner.parity(model, golden(model), settings) if parity else None
        for name, model in track(models.items(), "outputs", total=len(models))
    }
    kept: dict[str, list[RunResult]] = {name: [] for name in models}
    order = [name for turn in range(rounds) for name in (list(models) if turn % 2 == 0 else list(models)[::-1])]
    for name in track(order, "benchmark", total=len(order)):
        result = runner.run(models[name], settings)
        kept[name].append(result.model_copy(update={"parity": compared[name] or result.parity}))
    times = {name: [_time(result) for result in results] for name, results in kept.items()}
    first = times[next(iter(models))]
    return [Measured(name, tuple(kept[name]), compared[name], *paired_ratio(times[name], first)) for name in models]


def to_json(runs: Mapping[str, Sequence[Measured]]) -> dict[str, Any]:
    """What several devices measured, by serial."""
    return {serial: {entry.name: entry.to_json() for entry in entries} for serial, entries in runs.items()}


def _time(result: RunResult) -> float:
    """The median where the runner knows it: on a busy device a mean is mostly others' work."""
    latency = result.latency_us
    value = latency.p50 if latency.p50 is not None else latency.mean
    assert value is not None, "a result without an error has a time"
    return value
