"""What one emulated profile showed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.finding import Finding
from pipeline.tensors import Array, Outputs
from pipeline.verification.arm.counts import Counts

Answer = tuple[Array, ...]
"""The model's outputs for one call, in its own order, types and shapes."""

PROXY = "guest instructions of one inference, a proxy for work and not latency"
"""What instruction counts are called wherever they are shown."""


@dataclass(frozen=True)
class Difference:
    """The first place where ARM's answer is not the host's."""

    example: int
    """The call's place; one example a call, unless the model fixes a larger batch."""
    output: int
    """Its place among the model's."""
    name: str
    index: tuple[int, ...]
    host: float
    arm: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two lists of outputs, byte by byte."""

    bytes_compared: int
    differing_bytes: int
    first: Difference | None
    largest: float
    """The largest difference of two stored values: in steps of the output's scale where it is quantized."""
    varied: bool
    """The host's answers depend on the input: with one example, or where all answers are the same, equality proves
    little."""
    by_output: dict[str, int]
    """Differing bytes by output name."""


@dataclass(frozen=True, eq=False)
class ProfileResult:
    """One profile."""

    profile: str
    core: str
    """The core that the runtime was told it runs on."""
    emulator: str
    """QEMU's version and the CPU it emulated."""
    answers: Outputs | None
    """What the emulated kernels answered to the examples; None where the model did not run."""
    comparison: Comparison | None
    """With the host's XNNPACK; None where the model did not run."""
    boundary: Comparison | None
    """Of what XNNPACK hands to operators that it does not take, where the outputs differ: whose difference it is."""
    delegated: float
    """Share of the operators that XNNPACK took on ARM, 0 to 1."""
    counts: Counts | None
    """Of the first example; None where they could not be taken."""
    float_counts: Counts | None
    """Of the float model, on the same example; None without one."""
    findings: tuple[Finding, ...]
    """The worst first."""
    undone: tuple[str, ...]
    """What could not be looked at, and why."""

    @property
    def identical(self) -> bool:
        """The model ran, and every byte is the host's."""
        return self.comparison is not None and self.comparison.differing_bytes == 0

    @property
    def failed(self) -> bool:
        """The model did not run, or there is an error among the findings."""
        return self.comparison is None or any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        comparison = self.comparison
        return {
            "profile": self.profile,
            "core": self.core,
            "emulator": self.emulator,
            "ran": comparison is not None,
            "identical": self.identical,
            "examples": 0 if self.answers is None else len(self.answers),
            "bytes_compared": comparison.bytes_compared if comparison else 0,
            "differing_bytes": comparison.differing_bytes if comparison else None,
            "differing_by_output": comparison.by_output if comparison else None,
            "largest_difference": comparison.largest if comparison else None,
            "first_difference": vars(comparison.first) if comparison and comparison.first else None,
            "handed_over": None
            if self.boundary is None
            else {
                "bytes_compared": self.boundary.bytes_compared,
                "differing_bytes": self.boundary.differing_bytes,
            },
            "delegated": self.delegated,
            "counts_are": PROXY,
            "counts": self.counts.to_json() if self.counts else None,
            "float_counts": self.float_counts.to_json() if self.float_counts else None,
            "findings": [finding.to_json() for finding in self.findings],
            "undone": list(self.undone),
        }


def compare(host: Sequence[Answer], arm: Sequence[Answer], names: Sequence[str]) -> Comparison:
    """Byte by byte; both hold the same shapes and types.

    Args:
        host: Of each call.
        arm: Of the same calls.
        names: Of the outputs.
    """
    compared = 0
    by_output = dict.fromkeys(names, 0)
    first: Difference | None = None
    largest = 0.0
    for example, (expected, given) in enumerate(zip(host, arm, strict=True)):
        for number, (name, a, b) in enumerate(zip(names, expected, given, strict=True)):
            mine, theirs = a.tobytes(), b.tobytes()
            compared += len(mine)
            if mine == theirs:
                continue
            by_output[name] += int((np.frombuffer(mine, np.uint8) != np.frombuffer(theirs, np.uint8)).sum())
            if a.dtype.kind not in "biuf":
                continue
            x, y = a.astype(np.float64), b.astype(np.float64)
            with np.errstate(invalid="ignore"):
                apart = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
            apart = np.where(np.isnan(apart), np.inf, apart)
            largest = max(largest, float(apart.max(initial=0.0)))
            if first is None and apart.any():
                index = np.unravel_index(int(np.argmax(apart > 0)), apart.shape)
                first = Difference(example, number, name, tuple(map(int, index)), float(x[index]), float(y[index]))
    varied = len({tuple(output.tobytes() for output in outputs) for outputs in host}) > 1
    return Comparison(compared, sum(by_output.values()), first, largest, varied, by_output)
