"""What one scale leaves of the parts of a joined tensor: the rule, and how a user is told.

A part that spans fewer than `FEWEST_STEPS` of the 256 steps has lost more than half of its eight bits. Beside boxes of
0 to 640 a score of 0 to 1 is less than half a step, and 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.finding import Finding, Severity
from pipeline.tflite.audit.formatting import short

CHECK = "mixed ranges"
FEWEST_STEPS = 16.0
_SHOWN = 4


@dataclass(frozen=True)
class Part:
    """A tensor that is joined with others."""

    tensor: str
    low: float
    """In real units, as measured; of an integer file as far as its scale reaches."""
    high: float
    steps: float
    """Of the joined tensor's scale between the two."""

    @property
    def lost(self) -> bool:
        return self.high > self.low and self.steps < FEWEST_STEPS

    def __str__(self) -> str:
        return f"'{short(self.tensor)}' ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Mixed:
    """A joined tensor of which a part keeps too few steps."""

    operator: str
    """CONCATENATION or PACK."""
    place: int
    """Of the operator in the main graph."""
    tensor: str
    scale: float
    """In int8."""
    parts: tuple[Part, ...]
    """All of them."""
    outputs: tuple[str, ...]
    """Names of the outputs that the values are only moved to; empty where the model computes with them."""

    @property
    def lost(self) -> tuple[Part, ...]:
        return tuple(sorted((part for part in self.parts if part.lost), key=lambda part: part.steps))

    @property
    def widest(self) -> Part:
        return max(self.parts, key=lambda part: part.high - part.low)


def findings(mixed: Sequence[Mixed], severity: Severity, remedy: str) -> list[Finding]:
    """One a joined tensor.

    Args:
        mixed: What was found.
        severity: How much it matters where it was found.
        remedy: What to do; `{outputs}` stands for the names of the outputs.
    """
    return [
        Finding(CHECK, severity, _message(one), _effect(one), remedy.format(outputs=_listed(one)), _evidence(one))
        for one in mixed
    ]


def steps_in_words(steps: float) -> str:
    return "less than half a step" if steps < 0.5 else f"{steps:.2g} of 256 steps"


def _listed(mixed: Mixed) -> str:
    return ", ".join(f"'{name}'" for name in mixed.outputs)


def _message(mixed: Mixed) -> str:
    shown = ", ".join(f"{part} keeps {steps_in_words(part.steps)}" for part in mixed.lost[:_SHOWN])
    more = f" and {len(mixed.lost) - _SHOWN} more" if len(mixed.lost) > _SHOWN else ""
    where = f"the output{'s' * (len(mixed.outputs) > 1)} {_listed(mixed)}" if mixed.outputs else "what follows"
    return (
        f"{mixed.operator} '{short(mixed.tensor)}' joins parts of very different ranges for {where}: beside "
        f"{mixed.widest}, which gives int8 steps of {mixed.scale:.3g}, {shown}{more}."
    )


def _effect(mixed: Mixed) -> str:
    if any(part.steps < 1 for part in mixed.lost):
        return "One scale for all rounds these values to one or two numbers: of scores nothing is left."
    return f"One scale for all leaves these values coarser than {FEWEST_STEPS:.0f} steps."


def _evidence(mixed: Mixed) -> dict[str, object]:
    return {
        "operator": mixed.place,
        "tensor": mixed.tensor,
        "scale": mixed.scale,
        "outputs": list(mixed.outputs),
        "parts": [
            {"tensor": part.tensor, "range": [part.low, part.high], "steps": part.steps, "lost": part.lost}
            for part in mixed.parts
        ],
    }
