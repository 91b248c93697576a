"""Is an example in the calibration data twice, or also among those that accuracy is measured on?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from pipeline.data import Examples
from pipeline.diagnosis.copies import Pairs
from pipeline.finding import Finding, Severity

CHECK = "duplicates"
MANY = 0.10
"""Share of exact copies from which on they are a warning."""
_NAMED = 2
_LISTED = 20


def within(pairs: Pairs, examples: Examples, count: int) -> list[Finding]:
    """Copies inside the calibration split.

    Args:
        pairs: Positions in the split.
        examples: The split.
        count: Its readable examples.
    """
    found = []
    if pairs.exact:
        copies = len(pairs.exact)
        found.append(
            Finding(
                CHECK,
                "warning" if copies >= MANY * count else "note",
                f"{copies} of {count} calibration examples are exact copies of others: "
                f"{_named(pairs.exact, examples, examples)}.",
                f"The ranges are measured on {count - copies} different examples only, and averages over the set "
                "lean to what is in it several times.",
                "Remove the copies, and draw other examples instead.",
                _evidence(pairs.exact, examples, examples, count),
            )
        )
    if pairs.near:
        found.append(
            Finding(
                CHECK,
                "note",
                f"{len(pairs.near)} of {count} calibration examples look like others, in another encoding or size: "
                f"{_named(pairs.near, examples, examples)}.",
                "They add little to the ranges: the set is smaller than it looks.",
                "Have a look, and draw other examples instead.",
                _evidence(pairs.near, examples, examples, count),
            )
        )
    return found


def overlap(pairs: Pairs, reference: Examples, calibration: Examples, split: str, count: int) -> list[Finding]:
    """Calibration examples inside the evaluation split.

    Args:
        pairs: Positions in the evaluation split, and in the calibration split.
        reference: The evaluation split.
        calibration: The calibration split.
        split: The evaluation split's name.
        count: The evaluation split's readable examples.
    """
    found = []
    for kind, listed in (("are", pairs.exact), ("look like", pairs.near)):
        severity: Severity = "warning" if kind == "are" else "note"
        if listed:
            found.append(
                Finding(
                    CHECK,
                    severity,
                    f"{len(listed)} of {count} examples of the {split} split {kind} calibration examples: "
                    f"{_named(listed, reference, calibration)}.",
                    "The measured accuracy flatters: the ranges (and whatever is tuned on the calibration data) were "
                    "fitted to examples that they are judged by.",
                    f"Take them out of one of the two splits; of the {split} split, if in doubt.",
                    {"split": split, **_evidence(listed, reference, calibration, count)},
                )
            )
    return found


def _named(pairs: Sequence[tuple[int, int]], here: Examples, there: Examples) -> str:
    listed = "; ".join(f"{PurePath(here.where(a)).name} = {PurePath(there.where(b)).name}" for a, b in pairs[:_NAMED])
    return listed + (" …" if len(pairs) > _NAMED else "")


def _evidence(pairs: Sequence[tuple[int, int]], here: Examples, there: Examples, count: int) -> dict[str, object]:
    return {
        "count": len(pairs),
        "examples": count,
        "pairs": [[here.where(a), there.where(b)] for a, b in pairs[:_LISTED]],
    }
