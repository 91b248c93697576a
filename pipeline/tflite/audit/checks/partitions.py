"""Does XNNPACK run the whole model, in one piece?"""

from __future__ import annotations

from collections import defaultdict

from pipeline.finding import Finding
from pipeline.tflite.audit.formatting import short
from pipeline.tflite.audit.subject import Subject
from pipeline.tflite.delegation import instead, why_not
from pipeline.tflite.inspect import Operator

CHECK = "XNNPACK"
_SMALL = frozenset({"SOFTMAX", "RESHAPE", "SHAPE", "QUANTIZE", "DEQUANTIZE", "ARG_MAX"})
"""Operators that take next to no time wherever they run, at the ends of a classifier."""


def check(subject: Subject) -> list[Finding]:
    measured = subject.delegation
    if measured is None:
        return []
    main = [op for op in subject.inspection.operators if op.subgraph == 0]
    left = [op for op in main if op.index not in measured.taken]
    if not left:
        return []
    reasons: dict[tuple[str, str], list[Operator]] = defaultdict(list)
    for op in left:
        reasons[op.name, why_not(subject.model, op.index)].append(op)
    pieces = len(measured.partitions)
    listed = [
        f"{len(ops)} {name} ('{short(ops[0].output)}'{', …' if len(ops) > 1 else ''}): {reason}"
        for (name, reason), ops in reasons.items()
    ]
    replaced = {name: other for name, _ in reasons if (other := instead(name)) is not None}
    # Conversions at the ends and a softmax behind them make pieces of their own, which cost nothing.
    working = sum(any(main[place].name not in _SMALL for place in piece) for piece in measured.partitions)
    harmless = working <= 1 and all(op.name in _SMALL for op in left)
    return [
        Finding(
            CHECK,
            "note" if harmless else "warning",
            f"XNNPACK takes {len(main) - len(left)} of {len(main)} operators, in {pieces} "
            f"piece{'s' * (pieces != 1)}. Not: {'; '.join(listed)}.",
            "The rest runs on TFLite's own kernels, often several times slower"
            + (", and values are handed over at each of the borders." if pieces > 1 else ".")
            if not harmless
            else "Only small operators are left out: that costs next to nothing.",
            " ".join(f"For {name}: {other}." for name, other in replaced.items())
            or "`pipeline explain` says what they cost.",
            {
                "taken": len(main) - len(left),
                "operators": len(main),
                "partitions": pieces,
                "left": [
                    {"index": op.index, "name": op.name, "reason": why_not(subject.model, op.index)} for op in left
                ],
            },
        )
    ]
