"""What a device is, and in which state: read through its shell, without an app."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.device.device import Device
from pipeline.device.results import Battery, Core, DeviceFacts, Kind, Thermal

STAND_IN = "ro.boot.loopback_standin"
"""A property that the tests' stand-in sets and no phone has."""

_PROPERTIES = (
    STAND_IN,
    "ro.boot.qemu",
    "ro.kernel.qemu",
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.soc.manufacturer",
    "ro.soc.model",
    "ro.board.platform",
    "ro.product.cpu.abi",
    "ro.product.cpu.abilist",
    "ro.build.version.release",
)
_CHARGING = 2
"""`BatteryManager.BATTERY_STATUS_CHARGING`."""

_SKIN = 3
"""`Temperature.TYPE_SKIN`."""

_THROTTLES = 2
"""`PowerManager.THERMAL_STATUS_MODERATE`: from here on Android slows the device down."""

_LOW_PERCENT = 20
"""Below it, many devices save power."""


@dataclass(frozen=True)
class Described:
    """A device, as its properties tell."""

    facts: DeviceFacts
    abis: tuple[str, ...]
    """What it runs, best first."""
    stand_in: bool
    """The tests' stand-in, which runs everything on this host."""
    emulator: bool

    def kind(self, runner: Kind) -> Kind:
        """What a result of that runner on this device may call itself."""
        return "loopback-standin" if self.stand_in else runner

    @property
    def not_a_phone(self) -> str | None:
        """Why a time measured here is no phone's; None for a phone."""
        if self.stand_in:
            return "measured on a loopback stand-in that runs on this host, not on a phone"
        return "measured in an emulator, not on a phone" if self.emulator else None


@dataclass(frozen=True)
class Condition:
    """What changes while a device works."""

    thermal: Thermal
    battery: Battery

    def why_not_valid(self) -> list[str]:
        """What about this condition makes a time measured in it doubtful."""
        reasons = []
        if self.thermal.status is not None and self.thermal.status >= _THROTTLES:
            reasons.append(f"the device was hot and slowed itself down (thermal status {self.thermal.status})")
        percent = self.battery.percent
        if percent is not None and percent < _LOW_PERCENT and not self.battery.charging:
            reasons.append(f"the battery was low ({percent} %)")
        return reasons


def describe(device: Device) -> Described:
    """Ask a device what it is.

    Raises:
        DeviceLostError: it went away.
        PipelineError: it does not answer.
    """
    asked = "; ".join(f'echo "{name}=$(getprop {name})"' for name in _PROPERTIES)
    cores = (
        "for cpu in /sys/devices/system/cpu/cpu[0-9]*; do "
        'echo "${cpu##*/} $(cat "$cpu/cpufreq/cpuinfo_max_freq" 2>/dev/null)"; done'
    )
    text = device.must(f"{asked}; {cores}", "Reading the device's properties").text
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    said = {name: value.strip() for name, value in found.items() if value.strip()}
    soc = " ".join(filter(None, (said.get("ro.soc.manufacturer"), said.get("ro.soc.model"))))
    abi = said.get("ro.product.cpu.abi")
    abis = tuple(filter(None, said.get("ro.product.cpu.abilist", abi or "").split(",")))
    facts = DeviceFacts(
        serial=device.serial,
        manufacturer=said.get("ro.product.manufacturer"),
        model=said.get("ro.product.model"),
        soc=soc or said.get("ro.board.platform"),
        abi=abi,
        android=said.get("ro.build.version.release"),
        cpu_cores=tuple(sorted(_cores(text), key=lambda core: core.id)),
    )
    return Described(
        facts,
        abis,
        stand_in=STAND_IN in said,
        emulator="1" in (said.get("ro.boot.qemu"), said.get("ro.kernel.qemu")),
    )


def condition(device: Device) -> Condition:
    """How hot and how charged a device is now; what it does not tell is None.

    Raises:
        DeviceLostError: it went away.
    """
    text = device.shell("dumpsys thermalservice; echo; echo =battery=; dumpsys battery").text
    thermal, _, battery = text.partition("=battery=")
    return Condition(_thermal(thermal, battery), _battery(battery))


def big_cores(cores: tuple[Core, ...], threads: int) -> tuple[int, ...] | None:
    """The cores to bind a measurement to: those faster than the slowest kind, and as many as there are threads.

    Returns:
        Their numbers; None where all are alike or their clocks are unknown, so that there is nothing to choose.
    """
    known = [(core.max_khz, core.id) for core in cores if core.max_khz is not None]
    if len(known) != len(cores) or len({clock for clock, _ in known}) < 2:
        return None
    slowest = min(clock for clock, _ in known)
    fast = [number for clock, number in known if clock > slowest]
    if len(fast) < threads:
        fast = [number for _, number in sorted(known, reverse=True)[:threads]]
    return tuple(sorted(fast))


def _cores(text: str) -> list[Core]:
    return [
        Core(id=int(number), max_khz=int(clock) if clock else None)
        for number, clock in re.findall(r"^cpu(\d+) (\d*)$", text, re.MULTILINE)
    ]


def _thermal(thermal: str, battery: str) -> Thermal:
    status = re.search(r"Thermal Status: (\d+)", thermal)
    # The HAL's list is current; the cached one before it may be hours old.
    current = thermal.partition("Current temperatures from HAL:")[2] or thermal
    skins = [float(value) for value in re.findall(rf"mValue=([-\d.]+), mType={_SKIN},", current)]
    tenths = re.search(r"^\s*temperature: (-?\d+)", battery, re.MULTILINE)
    celsius = max(skins) if skins else int(tenths[1]) / 10 if tenths else None
    return Thermal(status=int(status[1]) if status else None, celsius=celsius)


def _battery(text: str) -> Battery:
    level = re.search(r"^\s*level: (\d+)", text, re.MULTILINE)
    status = re.search(r"^\s*status: (\d+)", text, re.MULTILINE)
    return Battery(
        percent=int(level[1]) if level else None,
        charging=int(status[1]) == _CHARGING if status else None,
    )
