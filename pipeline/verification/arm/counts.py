"""Instruction counts of one inference: what the counter plugin wrote, by kind of instruction and by kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.verification.arm.instructions import INSTRUCTIONS, Instruction, classify
from pipeline.verification.arm.kernel_names import OTHER, family
from pipeline.verification.arm.symbols import Symbols, read_symbols

Libraries = Mapping[str, tuple[int, int]]
"""Where each file with code lies in the guest's memory: path → first address, end."""

RUNTIME_LIBRARY = "libpywrap_litert_common.so"
"""The library of the wheel that keeps its symbols."""


@dataclass(frozen=True)
class Kernel:
    """One function that ran."""

    symbol: str
    family: str
    instructions: int


@dataclass(frozen=True)
class Counts:
    """Guest instructions of one inference. A proxy for work: it knows no caches, no pipeline and no clock."""

    instructions: int
    """All of them, but those of the Python interpreter that drives the runtime."""
    by_kind: dict[Instruction, int]
    kernels: tuple[Kernel, ...]
    """What ran, the most instructions first."""

    @property
    def families(self) -> dict[str, float]:
        """Family of kernels → share of the instructions, 0 to 1, the largest first."""
        sums: dict[str, int] = {}
        for kernel in self.kernels:
            sums[kernel.family] = sums.get(kernel.family, 0) + kernel.instructions
        ordered = sorted(sums.items(), key=lambda item: -item[1])
        return {name: count / self.instructions for name, count in ordered} if self.instructions else {}

    def to_json(self) -> dict[str, Any]:
        return {
            "instructions": self.instructions,
            "by_kind": dict(self.by_kind),
            "families": {name: round(share, 4) for name, share in self.families.items()},
            "kernels": [{"symbol": k.symbol, "family": k.family, "instructions": k.instructions} for k in self.kernels],
        }


class Reader:
    """Reads windows; the runtime's symbols are read once."""

    def __init__(self, libraries: Libraries, symbols: Symbols | None = None) -> None:
        runtime = next((path for path in libraries if path.endswith(f"/{RUNTIME_LIBRARY}")), None)
        self._libraries = libraries
        self._start, self._end = libraries[runtime] if runtime else (0, 0)
        self._symbols = symbols or (read_symbols(Path(runtime)) if runtime else None)

    def counts(self, window: str) -> Counts:
        """The counts of one window: lines of address, executions and instruction words, in hexadecimal."""
        lines = [line.split() for line in window.splitlines()]
        starts = np.array([int(address, 16) for address, _, _ in lines], np.uint64)
        times = np.array([int(count, 16) for _, count, _ in lines], np.int64)
        lengths = np.array([len(words) // 8 for _, _, words in lines], np.int64)
        words = np.frombuffer(bytes.fromhex("".join(words for _, _, words in lines)), ">u4").astype(np.uint32)

        driver = np.zeros(len(lines), bool)
        for path, (first, end) in self._libraries.items():
            if Path(path).name.startswith(("python", "libpython")):
                driver |= (starts >= first) & (starts < end)
        times = np.where(driver, 0, times)

        kinds, weights = classify(words), np.repeat(times, lengths)
        by_kind = {name: int(weights[kinds == index].sum()) for index, name in enumerate(INSTRUCTIONS)}
        return Counts(int((times * lengths).sum()), by_kind, self._kernels(starts, times * lengths))

    def _kernels(self, starts: np.ndarray, instructions: np.ndarray) -> tuple[Kernel, ...]:
        inside = (starts >= self._start) & (starts < self._end)
        found: list[Kernel] = []
        if self._symbols is not None:
            places = self._symbols.find(starts[inside] - np.uint64(self._start))
            sums = np.bincount(places + 1, instructions[inside], minlength=1)
            for place in np.nonzero(sums)[0]:
                name = self._symbols.name(int(place) - 1) if place else "?"
                found.append(Kernel(name, family(name), int(sums[place])))
        if outside := int(instructions[~inside].sum()):
            found.append(Kernel("other libraries", OTHER, outside))
        return tuple(sorted(found, key=lambda kernel: -kernel.instructions))


def windows(path: Path) -> list[str]:
    """The whole windows of a counter's file, in order; one that was cut off is left out."""
    found = []
    for part in path.read_text(encoding="ascii").split("window\n")[1:]:
        body, end, _ = part.partition("end\n")
        if end:
            found.append(body)
    return found
