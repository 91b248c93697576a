"""Which devices adb sees, and the choice of one that can be worked with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.device.adb import Adb
from pipeline.device.device import Device
from pipeline.errors import InputError, PipelineError

READY = "device"
"""adb's word for a device that takes commands."""

_LINE = re.compile(r"^(?P<serial>\S+)\s+(?P<state>no permissions|\S+)(?P<rest>.*)$")

_WHAT_TO_DO = {
    "unauthorized": "it has not allowed this computer. Unlock it and accept 'Allow USB debugging?'",
    "authorizing": "it has not yet allowed this computer. Unlock it and accept 'Allow USB debugging?'",
    "offline": "it does not answer. Plug it in again, or for a network device `adb connect` again",
    "no permissions": "this user may not open the USB device. Install its udev rules "
    "(Debian's package android-sdk-platform-tools-common)",
    "recovery": "it is in recovery mode. Start Android",
    "sideload": "it is in sideload mode. Start Android",
    "bootloader": "it is in the bootloader. Start Android",
}


@dataclass(frozen=True)
class Listed:
    """A line of `adb devices -l`."""

    serial: str
    state: str
    """`device` where it can be worked with; otherwise adb's word, such as `unauthorized` or `offline`."""
    model: str | None
    """As adb shows it; None before the device allows to be asked."""


def listed(adb: Adb) -> list[Listed]:
    """What `adb devices -l` shows.

    Raises:
        PipelineError: adb's server cannot be started.
    """
    done = adb.call("devices", "-l")
    if done.status != 0:
        raise PipelineError(f"`adb devices` failed: {done.err.strip() or done.text.strip()}.")
    return parse(done.text)


def parse(text: str) -> list[Listed]:
    """The devices in the output of `adb devices -l`."""
    found = []
    for line in text.splitlines():
        match = _LINE.match(line)
        # The daemon's own messages begin with a star, the heading with "List".
        if match is None or line.startswith(("*", "List of devices")):
            continue
        model = re.search(r"\bmodel:(\S+)", match["rest"])
        found.append(Listed(match["serial"], match["state"], model[1].replace("_", " ") if model else None))
    return found


def choose(adb: Adb, serial: str | None = None, environment: Mapping[str, str] = os.environ) -> Device:
    """The device of that serial, or of `ANDROID_SERIAL`, or the only one there is.

    Raises:
        InputError: there is none, it cannot be worked with (which says why and what to do), there are several
            and none was named, or its Android is too old to report exit statuses.
    """
    wanted = serial or environment.get("ANDROID_SERIAL") or None
    devices = listed(adb)
    if wanted is not None:
        found = next((device for device in devices if device.serial == wanted), None)
        if found is None:
            raise InputError(f"adb sees no device '{wanted}'.{_those(devices)}")
    elif not devices:
        raise InputError(
            "adb sees no device. Plug a phone in, turn on 'USB debugging' in its developer options, and see whether "
            "`pipeline devices` lists it."
        )
    else:
        ready = [device for device in devices if device.state == READY]
        if len(ready) > 1:
            raise InputError(f"There are {len(ready)} devices: say which with --serial.{_those(ready)}")
        found = ready[0] if ready else devices[0]
    if found.state != READY:
        reason = _WHAT_TO_DO.get(found.state, f"adb calls its state '{found.state}'")
        raise InputError(f"The device {found.serial} cannot be used ({found.state}): {reason}, then try again.")
    device = Device(adb, found.serial)
    if "shell_v2" not in device.features():
        raise InputError(
            f"The device {found.serial} has no shell_v2: it reports no exit statuses, so nothing done on it can be "
            "checked. Android 7 and newer have it."
        )
    return device


def choose_several(adb: Adb, serials: Sequence[str]) -> list[Device]:
    """The devices of those serials, or the only one where none is named.

    Raises:
        InputError: as `choose`.
    """
    return [choose(adb, serial) for serial in dict.fromkeys(serials)] or [choose(adb)]


def _those(devices: Sequence[Listed]) -> str:
    if not devices:
        return " It sees none at all; `pipeline devices` lists them."
    return " adb sees: " + ", ".join(f"{device.serial} ({device.model or device.state})" for device in devices) + "."
