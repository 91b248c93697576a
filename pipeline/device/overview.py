"""Every device that adb sees, with what can be learnt of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.device.adb import Adb
from pipeline.device.device import Device
from pipeline.device.devices import READY, listed
from pipeline.device.facts import describe
from pipeline.device.push import holds
from pipeline.errors import PipelineError


@dataclass(frozen=True)
class Entry:
    """One device; None for what it does not tell in its state."""

    serial: str
    state: str
    model: str | None
    android: str | None = None
    abi: str | None = None
    soc: str | None = None
    pushed: tuple[tuple[str, int], ...] = ()
    """Name and size in bytes of what `pipeline push` left there."""
    note: str | None = None
    """What else is to be known: that it is no phone, or why it does not answer."""

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        return {**content, "pushed": [{"name": name, "size_bytes": size} for name, size in self.pushed]}


def overview(adb: Adb) -> list[Entry]:
    """What adb sees; a device that goes away meanwhile is listed with the reason.

    Raises:
        PipelineError: adb's server cannot be started.
    """
    entries = []
    for line in listed(adb):
        if line.state != READY:
            entries.append(Entry(line.serial, line.state, line.model))
            continue
        device = Device(adb, line.serial)
        try:
            found = describe(device)
            model = " ".join(filter(None, (found.facts.manufacturer, found.facts.model)))
            entries.append(
                Entry(
                    line.serial,
                    line.state,
                    model or line.model,
                    found.facts.android,
                    found.facts.abi,
                    found.facts.soc,
                    tuple(holds(device)),
                    found.not_a_phone and found.not_a_phone.replace("measured", "what is measured here is measured"),
                )
            )
        except PipelineError as error:
            entries.append(Entry(line.serial, line.state, line.model, note=str(error)))
    return entries
