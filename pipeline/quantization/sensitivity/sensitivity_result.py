"""What a sensitivity analysis found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.statistics import finite_or_none


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
    changed: float | None
    """How much of the examples' answers changes, 0..1 (1 − the task's mean agreement with float; for classifiers the
    share of other classes); None without a task, and where no answer depends on the operator."""

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes; an infinite ratio is None."""
        return {
            "index": self.index,
            "name": self.name,
            "short": self.short,
            "type": self.type,
            "sqnr_db": finite_or_none(self.sqnr_db),
            "cosine": self.cosine,
            "output_sqnr_db": finite_or_none(self.output_sqnr_db),
            "changed": self.changed,
        }


@dataclass(frozen=True)
class Sensitivity:
    """The error of each operator that the int8 format quantizes and that computes: what only moves values adds none."""

    operators: tuple[OperatorError, ...]
    """In the graph's order."""
    examples: int
    outputs: tuple[str, ...]
    """The tensors that stand for the model's outputs: the logits where it ends in a softmax or a sigmoid."""
    metric: str | None = None
    """The task's first; None without one."""

    def worst_first(self) -> list[OperatorError]:
        """The most harmful first: by the model's output, then by the operator's own."""
        return sorted(self.operators, key=lambda operator: (operator.output_sqnr_db, operator.sqnr_db))

    def to_json(self) -> dict[str, Any]:
        """The operators come worst first. Of a classifier, `changed` is called `top1_changed` too."""
        operators = [operator.to_json() for operator in self.worst_first()]
        if self.metric == "top1":
            operators = [operator | {"top1_changed": operator["changed"]} for operator in operators]
        return {"examples": self.examples, "outputs": list(self.outputs), "operators": operators}
