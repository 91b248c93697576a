"""Results of emulated profiles in words: a table's rows and the lines below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import PROXY, ProfileResult
from pipeline.verification.arm.instructions import Instruction
from pipeline.verification.arm.kernel_names import OTHER, RUNTIME

COLUMNS = ("profile", "differs", "SDOT", "SMMLA", "int8", "float", "int8 kernels")


def row(result: ProfileResult) -> tuple[str, ...]:
    """One profile; a dash stands for what was not measured."""
    comparison, counts = result.comparison, result.counts
    differs = (
        "did not run" if comparison is None else f"{comparison.differing_bytes:,} of {comparison.bytes_compared:,}"
    )
    return (
        result.profile,
        differs,
        _number(counts, "sdot"),
        _number(counts, "smmla"),
        _total(counts),
        _total(result.float_counts),
        _top_family(counts),
    )


def notes(results: Sequence[ProfileResult]) -> Iterator[str]:
    """What the table's numbers are, findings, and what was left undone."""
    if any(result.counts for result in results):
        yield f"differs: output bytes that are not the host's. SDOT, SMMLA, int8 and float are {PROXY}."
    same: dict[str, list[str]] = {}
    for result in results:
        for finding in result.findings:
            line = f"{finding.severity}: {finding.sentences}"
            same.setdefault(line, []).append(result.profile)
        for reason in result.undone:
            same.setdefault(f"not done: {reason}", []).append(result.profile)
    for line, profiles in same.items():
        yield f"{', '.join(profiles)}: {line}"


def _number(counts: Counts | None, kind: Instruction) -> str:
    return "–" if counts is None else f"{counts.by_kind[kind]:,}"


def _total(counts: Counts | None) -> str:
    return "–" if counts is None else f"{counts.instructions / 1e6:.2f} M"


def _top_family(counts: Counts | None) -> str:
    if counts is None:
        return "–"
    kernels = ((name, share) for name, share in counts.families.items() if name not in (OTHER, RUNTIME))
    return next((f"{name} {100 * share:.0f} %" for name, share in kernels), "–")
