"""Outcomes of searches, made by hand."""

from __future__ import annotations

from pipeline.evaluation.statistics import Difference
from pipeline.quantization.search.search_result import Found, Step
from pipeline.recipe import Compute, Keep
from pipeline.tasks.classification import TOP1


def step(kept: int, points: float, ratio: float, compute: Compute = "float16", budget: float = 1.0) -> Step:
    """So many operators kept, so many points from float's 80 %, at that latency."""
    return Step(
        kept=tuple(f"layer_{index}" for index in range(kept)),
        compute=compute if kept else "int8",
        value=0.8 + points / 100,
        difference=Difference(points / 100, points / 100 - 0.03, points / 100 + 0.03),
        agreement=0.9,
        size_bytes=1000 + kept,
        latency_ms=ratio,
        latency_ratio=ratio,
        within=points >= -budget,
    )


def found(*steps: Step, chosen: int | None = None) -> Found:
    """With a budget of one point."""
    return Found(
        metric=TOP1,
        max_drop=1.0,
        sure=False,
        split="validation",
        examples=500,
        float_value=0.8,
        float_size_bytes=4000,
        float_latency_ratio=2.0,
        steps=steps,
        chosen=chosen,
        rules=() if chosen is None else tuple(Keep(match=name) for name in steps[chosen].kept),
        candidates=9,
        ended_early=False,
    )
