"""What a search for an accuracy budget tried and found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.statistics import Difference
from pipeline.recipe import Compute, Keep


@dataclass(frozen=True)
class Step:
    """One model that was written and measured."""

    kept: tuple[str, ...]
    """Short names of the operators that left int8, the most sensitive first."""
    compute: Compute
    """What these compute in; int8 where there are none."""
    top1: float
    """0..1, as all shares here."""
    difference: Difference
    """top1 minus the float model's, paired over the examples (Tango)."""
    agreement: float
    """Share of the examples that are answered as the float model answers them."""
    size_bytes: int
    latency_ms: float
    """Median on this host."""
    latency_ratio: float
    """Median of the paired ratios to the model that is all int8."""
    within: bool
    """Whether it keeps to the budget."""

    def to_json(self) -> dict[str, Any]:
        return {
            "kept": list(self.kept),
            "as": self.compute,
            "top1": self.top1,
            "difference": self.difference.to_json(),
            "agreement": self.agreement,
            "size_bytes": self.size_bytes,
            "latency_p50_ms": self.latency_ms,
            "latency_ratio": self.latency_ratio,
            "within": self.within,
        }


@dataclass(frozen=True)
class Found:
    """The outcome of a search."""

    max_drop: float
    """The budget, 0..1."""
    sure: bool
    """Whether the 95 % interval had to keep to it, not only the estimate."""
    split: str
    examples: int
    float_top1: float
    float_size_bytes: int
    float_latency_ratio: float
    """To the model that is all int8."""
    steps: tuple[Step, ...]
    """In the order in which they were tried; the model that is all int8 first."""
    chosen: int | None
    """Which of the steps is the answer; None where none keeps to the budget."""
    rules: tuple[Keep, ...]
    """The answer as keep rules, after the recipe's own."""
    candidates: int
    """Operators that could have been kept."""
    ended_early: bool
    """Whether the time was up before the search was through."""
    test: dict[str, Any] | None = None
    """Top-1 of float, int8 and the answer on the test split, which took no part in the choice."""

    @property
    def front(self) -> tuple[int, ...]:
        """The steps that no other step beats in accuracy and latency at once, the fastest first."""
        order = sorted(range(len(self.steps)), key=lambda i: (self.steps[i].latency_ratio, -self.steps[i].top1))
        best, front = -1.0, []
        for index in order:
            if self.steps[index].top1 > best:
                best = self.steps[index].top1
                front.append(index)
        return tuple(front)

    def to_json(self) -> dict[str, Any]:
        return {
            "max_drop": self.max_drop,
            "sure": self.sure,
            "split": self.split,
            "examples": self.examples,
            "float": {
                "top1": self.float_top1,
                "size_bytes": self.float_size_bytes,
                "latency_ratio": self.float_latency_ratio,
            },
            "steps": [step.to_json() for step in self.steps],
            "front": list(self.front),
            "chosen": self.chosen,
            "keep": [rule.model_dump(mode="json", exclude_none=True) for rule in self.rules],
            "candidates": self.candidates,
            "ended_early": self.ended_early,
            "test": self.test,
        }
