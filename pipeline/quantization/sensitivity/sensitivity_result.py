"""What a sensitivity analysis found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OperatorError:
    """The error that int8 brings when this operator alone is quantized and all others stay float."""

    index: int
    """Its place in the graph."""
    name: str
    """Its whole name, which a keep rule takes."""
    short: str
    """The layer by which a keep rule finds it too."""
    type: str
    sqnr_db: float
    """Signal to quantization noise of its own output, decibels; infinite without any error."""
    cosine: float
    """Cosine between its outputs in float and in int8, 1 where they point the same way."""
    output_sqnr_db: float
    """Signal to quantization noise of the model's output, decibels; infinite where it does not change."""
    top1_changed: float | None
    """Share of the examples whose answer changes, 0..1; None where the model is no classifier."""

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes; an infinite ratio is None."""
        return {
            "index": self.index,
            "name": self.name,
            "short": self.short,
            "type": self.type,
            "sqnr_db": _finite(self.sqnr_db),
            "cosine": self.cosine,
            "output_sqnr_db": _finite(self.output_sqnr_db),
            "top1_changed": self.top1_changed,
        }


@dataclass(frozen=True)
class Sensitivity:
    """The error of each operator that the int8 format quantizes and that computes: what only moves values adds none."""

    operators: tuple[OperatorError, ...]
    """In the graph's order."""
    examples: int
    outputs: tuple[str, ...]
    """The tensors that stand for the model's outputs: the logits where it ends in a softmax or a sigmoid."""

    def worst_first(self) -> list[OperatorError]:
        """The most harmful first: by the model's output, then by the operator's own."""
        return sorted(self.operators, key=lambda operator: (operator.output_sqnr_db, operator.sqnr_db))

    def to_json(self) -> dict[str, Any]:
        """The operators come worst first."""
        return {
            "examples": self.examples,
            "outputs": list(self.outputs),
            "operators": [operator.to_json() for operator in self.worst_first()],
        }


def _finite(decibels: float) -> float | None:
    return decibels if math.isfinite(decibels) else None
