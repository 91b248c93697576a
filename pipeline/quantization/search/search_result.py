"""What a search for an accuracy budget tried and found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipeline.evaluation.statistics import Difference
from pipeline.recipe import Compute, Keep
from pipeline.tasks.task import Metric


@dataclass(frozen=True)
class Step:
    """One model that was written and measured."""

    kept: tuple[str, ...]
    """Short names of the operators that left int8, the most sensitive first."""
    compute: Compute
    """What these compute in; int8 where there are none."""
    value: float
    """The task's first metric, shares as 0..1."""
    difference: Difference
    """The value minus the float model's, paired over the examples, with its 95 % interval."""
    agreement: float
    """The task's agreement with the float model, 0..1: of classifiers the share of equal answers."""
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
            "value": self.value,
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

    metric: Metric
    """The task's first, which the budget is about."""
    max_drop: float
    """The budget, in the metric's points: of a share in percentage points."""
    sure: bool
    """Whether the 95 % interval had to keep to it, not only the estimate."""
    split: str
    examples: int
    float_value: float
    """The float model's metric."""
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
    """Whether as many models had been tried as were allowed before the search was through."""
    test: dict[str, Any] | None = None
    """The metrics of float, int8 and the answer on the test split, which took no part in the choice."""

    @property
    def front(self) -> tuple[int, ...]:
        """The steps that no other step beats in metric and latency at once, the fastest first."""
        drops = [self.drop(step) for step in self.steps]
        best, front = math.inf, []
        for index in sorted(range(len(drops)), key=lambda i: (self.steps[i].latency_ratio, drops[i])):
            if drops[index] < best:
                best = drops[index]
                front.append(index)
        return tuple(front)

    def drop(self, step: Step) -> float:
        """What a step loses to the float model, in the metric's points; negative where it gains."""
        return self.metric.drop(step.value, self.float_value)

    def gain(self, step: Step) -> Difference:
        """What a step gains on the float model, in the metric's points, with its 95 % interval; below 0 it is worse."""
        return gain(self.metric, step.difference)

    def to_json(self) -> dict[str, Any]:
        """Values are `value` everywhere, and go by the metric's name (`top1`) too."""
        name = self.metric.name
        return {
            "metric": name,
            "max_drop": self.max_drop,
            "sure": self.sure,
            "split": self.split,
            "examples": self.examples,
            "float": {
                name: self.float_value,
                "value": self.float_value,
                "size_bytes": self.float_size_bytes,
                "latency_ratio": self.float_latency_ratio,
            },
            "steps": [{name: step.value, **step.to_json()} for step in self.steps],
            "front": list(self.front),
            "chosen": self.chosen,
            "keep": [rule.model_dump(mode="json", exclude_none=True) for rule in self.rules],
            "candidates": self.candidates,
            "ended_early": self.ended_early,
            "test": self.test,
        }


def gain(metric: Metric, difference: Difference) -> Difference:
    """A difference of a metric in its points, above 0 where the first model is better."""
    low, value, high = (-metric.drop(one, 0) for one in (difference.low, difference.value, difference.high))
    return Difference(value, min(low, high), max(low, high))


def show_points(metric: Metric, points: float) -> str:
    """A gain or loss in the metric's points, with its sign."""
    if metric.unit == "%":
        return f"{points:+.2f} points"
    return f"{points:+.2f} dB" if metric.unit == "dB" else f"{points:+.4g} {metric.label}"
