"""What machine this is, as far as it decides how fast int8 runs."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_INT8_FLAGS = {
    # x86, /proc/cpuinfo "flags"
    "avx2": "avx2",
    "avx512bw": "avx512bw",
    "avx_vnni": "avx_vnni",
    "avx_vnni_int8": "avx_vnni_int8",
    "avx512_vnni": "avx512_vnni",
    "amx_int8": "amx_int8",
    # ARM, /proc/cpuinfo "Features"
    "asimd": "neon",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
    "sve2": "sve2",
    "svei8mm": "svei8mm",
    "sme": "sme",
    "smei8i32": "smei8i32",
}
"""The kernel's name of each instruction set that int8 kernels use, and its common name; weakest first."""


@dataclass(frozen=True)
class Host:
    """The machine a measurement was made on."""

    cpu: str
    """The model's name; on ARM, where Linux gives none, the implementer's and part's codes."""
    architecture: str
    cores: int
    """Logical cores this process may use."""
    int8: tuple[str, ...]
    """Instruction sets that int8 kernels use, weakest first."""
    memory_bytes: int
    system: str
    load_average: tuple[float, float, float]
    """Processes running or waiting, over the last 1, 5 and 15 minutes: above 0 means company."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe_host() -> Host:
    """Read this machine (Linux)."""
    cpu, int8 = parse_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    return Host(
        cpu=cpu,
        architecture=platform.machine(),
        cores=available_cores(),
        int8=int8,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.release()}",
        load_average=os.getloadavg(),
    )


def available_cores() -> int:
    """Logical cores this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0))


def parse_cpuinfo(text: str) -> tuple[str, tuple[str, ...]]:
    """The CPU's name and its instruction sets for int8, from the content of /proc/cpuinfo.

    On a chip of big and little cores: the first core's name and what all cores have.
    """
    first: dict[str, str] = {}
    flags: list[set[str]] = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        first.setdefault(key, value)
        if key in ("flags", "Features"):
            flags.append(set(value.split()))
    common = set.intersection(*flags) if flags else set()
    return _cpu_name(first), tuple(name for flag, name in _INT8_FLAGS.items() if flag in common)


def _cpu_name(fields: dict[str, str]) -> str:
    for key in ("model name", "Hardware"):
        if fields.get(key):
            return fields[key]
    if "CPU part" in fields:
        return f"ARM implementer {fields.get('CPU implementer', '?')} part {fields['CPU part']}"
    return "unknown"
