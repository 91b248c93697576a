"""Are there enough examples: do the ranges still move when more are seen?"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis.measured_ranges import PARTS, Measured
from pipeline.finding import Finding, percent
from pipeline.tflite.audit.formatting import short

CHECK = "too few"
FEWEST = 50
"""With fewer different examples than this, luck decides the ranges."""
MOVES = 0.10
"""The ranges still move where half of the examples show, at the median, this much less of the range than all do. Good
data were seen at 0.02 to 0.05 for 60 to 300 examples; extremes of anything unbounded never stop growing."""
STABLE = 0.05
"""The growth per doubling that is aimed at."""
USUAL = 100
MANY_COPIES = 0.1
"""Share of copies from which on growth is not looked at."""
ALONE = 0.3
"""Growth that takes single extreme examples: each is missing from half of the halves."""
OUTLIER = "Look for a few extreme examples: they alone make the ranges. Without any, take many more, at random."
MOST_DOUBLINGS = 4


def enough(examples: int, copies: int, measured: Measured | None) -> list[Finding]:
    """
    Args:
        examples: Of the calibration split.
        copies: Of these, exact copies of others.
        measured: Activation ranges over them (or a sample); None where they could not be measured.
    """
    different = examples - copies
    # Copies do not move a range, so its standing still would say nothing.
    growth = _growth(measured) if measured is not None and copies <= MANY_COPIES * examples else None
    few = different < FEWEST
    moving = growth is not None and growth["median"] > MOVES
    if not few and not moving:
        return []
    return [
        Finding(
            CHECK,
            "warning",
            f"{'Only ' if few else ''}{different} {'different ' if copies else ''}calibration "
            f"example{'s' * (different != 1)}. {_sentence(growth) if growth else ''}".rstrip(),
            "Which examples were drawn decides the ranges: int8 clips what others cause, and another draw gives "
            "another model.",
            OUTLIER
            if growth and not few and growth["median"] > ALONE
            else f"Take {_how_many(different, growth)}, at random.",
            {"different": different, **(growth or {})},
        )
    ]


def _growth(measured: Measured) -> dict[str, Any] | None:
    """How the ranges grow with the examples, on average over ways to take a part of them."""
    parts = len(measured.low)
    if parts < 2:
        return None
    sizes = [size for size in (PARTS // 8, PARTS // 4, PARTS // 2) if parts == PARTS] or [max(1, parts // 2)]
    widths = [measured.width_of(size) for size in (*sizes, parts)]
    grown = [_relative(before, after) for before, after in pairwise(widths)]
    # Ranges that never move (behind ReLU6, or softmax's) say nothing of how many examples it takes.
    open_ = measured.finite & (widths[-1] > 0) & (np.nan_to_num(grown[0]) > 1e-6)
    if not open_.any():
        return None
    last = np.where(open_, grown[-1], -1)
    worst = int(last.argmax())
    return {
        "examples": measured.examples,
        "median": float(np.median(grown[-1][open_])),
        "worst": float(last[worst]),
        "worst_activation": measured.names[worst],
        "per_doubling": [float(np.median(step[open_])) for step in grown] if parts == PARTS else [],
        "activations": int(open_.sum()),
    }


def _relative(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(after > 0, (after - before) / after, 0.0)


def _sentence(growth: dict[str, Any]) -> str:
    return (
        f"From half of them to all, the ranges grow by {percent(growth['median'])} at the median of "
        f"{growth['activations']} activations that move, by {percent(growth['worst'])} at the worst "
        f"('{short(growth['worst_activation'])}')."
    )


def _how_many(different: int, growth: dict[str, Any] | None) -> str:
    """A number where the growth falls from doubling to doubling, so that it can be drawn on; else only more."""
    steps = growth["per_doubling"] if growth else []
    if not steps or steps[-1] <= STABLE:
        return f"{USUAL} or more" if different < USUAL else "more"
    fall = (steps[-1] / steps[0]) ** (1 / (len(steps) - 1)) if steps[0] > 0 else 1.0
    doublings = math.log(STABLE / steps[-1]) / math.log(fall) if fall < 1 else math.inf
    if doublings > MOST_DOUBLINGS:
        return f"many more, {USUAL} at least" if different < USUAL else "many more"
    wanted = max(different * 2**doublings, USUAL)
    return f"about {int(math.ceil(wanted / USUAL) * USUAL)}"
