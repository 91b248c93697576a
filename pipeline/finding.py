"""What a check found, and all that an examination found."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Severity = Literal["error", "warning", "note"]
"""error: the model will be wrong. warning: it may lose accuracy, or the numbers flatter it. note: good to know."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in sentences that a user can act on."""

    check: str
    """The name of the check that found it."""
    severity: Severity
    message: str
    """What is so, with numbers."""
    effect: str
    """What it does to the model."""
    remedy: str
    """What to do about it."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """The numbers behind the message; JSON values only. Shares are fractions, 0..1."""

    @property
    def sentences(self) -> str:
        """What is so, what it does and what to do, in one paragraph."""
        return f"{self.message} {self.effect} {self.remedy}"

    def __str__(self) -> str:
        return f"{self.check}: {self.sentences}"

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at and what was found."""

    findings: tuple[Finding, ...]
    """The worst first; of the same severity, causes before their consequences."""
    examples: dict[str, int]
    """How many could be read of each split that was looked at."""
    checked: tuple[str, ...]
    """What was looked at, a phrase a check."""
    left_out: tuple[str, ...]
    """What could not be looked at, and why."""

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> list[dict[str, Any]]:
        """The findings alone, in their order."""
        return [finding.to_json() for finding in self.findings]


def percent(share: float) -> str:
    """A fraction as a percentage of as many digits as it deserves."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.2g} %"


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by severity; those of the same severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: get_args(Severity).index(finding.severity)))
