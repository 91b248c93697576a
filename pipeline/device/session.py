"""A whole benchmark on one or more devices: choose them, prepare a runner on each, measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.device import binary
from pipeline.device.adb import Adb, find
from pipeline.device.app import AppRunner
from pipeline.device.device import Device
from pipeline.device.device_benchmark import ENOUGH_ROUNDS, Measured, measure
from pipeline.device.devices import choose_several
from pipeline.device.facts import Described, describe
from pipeline.device.native import NativeRunner
from pipeline.device.settings import Settings
from pipeline.errors import InputError
from pipeline.files import write_bytes
from pipeline.progress import Track, quiet

RunnerName = Literal["native", "app"]


@dataclass(frozen=True)
class Order:
    """What to measure, where and how."""

    models: Mapping[str, Path]
    """By the name that the results give them; the first is what the others are compared with."""
    serials: Sequence[str] = ()
    """The only device where empty."""
    runner: RunnerName = "native"
    benchmark_binary: Path | None = None
    """For the native runner; the official one is fetched where None."""
    apk: Path | None = None
    """For the app; None where it is installed."""
    settings: Settings = field(default_factory=Settings)
    rounds: int = ENOUGH_ROUNDS
    parity: bool = True
    profile: Path | None = None
    """Where the first model's per-operator profile goes (native runner)."""


def benchmark(
    order: Order, track: Track = quiet, say: Callable[[str], None] = lambda message: None
) -> dict[str, list[Measured]]:
    """Carry an order out, one device after the other.

    Returns:
        Results by the devices' serials.

    Raises:
        InputError: as `choose`, or what the order asks for cannot be done.
        PipelineError: a run failed.
    """
    for model in order.models.values():
        if not model.is_file():
            raise InputError(f"There is no file {model}. Give the path of a .tflite model.")
    if order.runner == "app" and (order.benchmark_binary or order.profile):
        raise InputError("--benchmark-binary and --profile go with --runner native; the app brings its own runtime.")
    if order.runner == "native" and order.apk:
        raise InputError("--apk goes with --runner app.")
    adb: Adb = find()
    found = {}
    for device in choose_several(adb, order.serials):
        described = describe(device)
        say(f"{device.serial}: {described.facts.manufacturer} {described.facts.model}, {described.facts.soc}")
        with _runner(order, device, described, track) as runner:
            found[device.serial] = measure(
                runner, order.models, order.settings, rounds=order.rounds, parity=order.parity, track=track
            )
            if order.profile is not None and isinstance(runner, NativeRunner):
                model = next(iter(order.models.values()))
                write_bytes(order.profile, runner.profile(model, order.settings))
    return found


def _runner(
    order: Order, device: Device, described: Described, track: Track
) -> AbstractContextManager[NativeRunner | AppRunner]:
    if order.runner == "app":
        return AppRunner(device, described, order.apk)
    if order.benchmark_binary is not None:
        return NativeRunner(device, described, binary.given(order.benchmark_binary, described.abis))
    return NativeRunner(device, described, binary.fetched(described.abis, track=track))
