"""Are there examples that cannot be read, or that hold NaN? Is there something in the data that was not taken?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pipeline.finding import Finding

CHECK = "readable"
_NAMED = 3


def readable(
    broken: Mapping[str, str], split: str, examples: int, on_corrupt: Literal["fail", "skip"]
) -> list[Finding]:
    """
    Args:
        broken: Examples that were left out, and why.
        split: Theirs.
        examples: In the split, these included.
        on_corrupt: What the recipe does about them.
    """
    if not broken:
        return []
    first = "; ".join(f"{where}: {reason}" for where, reason in list(broken.items())[:_NAMED])
    stops = on_corrupt == "fail"
    return [
        Finding(
            CHECK,
            "error" if stops else "warning",
            f"{len(broken)} of {examples} {split} examples cannot be read ({first}).",
            "The run stops there; a single NaN that got through would make every range NaN."
            if stops
            else "They are left out: what only they would have shown is missing in the ranges and in the accuracy.",
            "Mend or remove them" + (", or leave them out: --set data.on_corrupt=skip" if stops else "") + ".",
            {"split": split, "broken": dict(list(broken.items())[:20]), "count": len(broken), "examples": examples},
        )
    ]


def noted(notes: Iterable[str]) -> list[Finding]:
    """
    Args:
        notes: What the data set says of itself: files that are no examples, classes without an example.
    """
    return [
        Finding(
            CHECK,
            "note",
            note,
            "What is not there is neither calibrated on nor measured.",
            "Nothing, where that is meant; else add or convert the files.",
        )
        for note in notes
    ]
