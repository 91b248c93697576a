"""Are the model's classes those of the data, in the same order? Asked of the float model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.evaluation.statistics import paired_difference
from pipeline.finding import Finding, percent

CHECK = "labels"
EXAMPLES = 256
"""Examples that the model is asked about."""
CLEARLY, SURELY = 0.10, 0.02
"""Another numbering fits where it is right so much more often, and the 95 % interval's lower end so much."""
FEWEST = 20
"""With fewer examples no other numbering is tried."""
_PAIRS = 4

Classes = NDArray[np.int64]


def label_fit(predicted: Classes, labels: Classes, classes: int, names: Sequence[str]) -> list[Finding]:
    """
    Args:
        predicted: The class that the float model answers to each example, [n].
        labels: The data's, [n].
        classes: How many the model tells apart.
        names: The data's class names by index; empty where there are none.
    """
    found = _count(classes, names)
    if len(labels) < FEWEST:
        return found
    return [*found, *(_shifted(predicted, labels, classes, names) or _permuted(predicted, labels, classes, names))]


def _count(classes: int, names: Sequence[str]) -> list[Finding]:
    if not names or len(names) == classes:
        return []
    background = " One more is often a background class at the start." if classes == len(names) + 1 else ""
    return [
        Finding(
            CHECK,
            "warning",
            f"The model answers {classes} classes and the data has {len(names)}.{background}",
            "Which class a number means is not known from the data: names may stand beside the wrong answers.",
            "Give the names of all the model's classes in its order, one a line: --set data.labels=FILE.",
            {"classes": classes, "named": len(names)},
        )
    ]


def _shifted(predicted: Classes, labels: Classes, classes: int, names: Sequence[str]) -> list[Finding]:
    for shift in (1, -1):
        better = _better(predicted == labels + shift, predicted == labels)
        if better is None:
            continue
        first = "1" if shift > 0 else "-1"
        why = "a background class comes first" if shift > 0 and classes == len(names) + 1 else ""
        why = why or ("the data counts from 0 and the model from 1" if shift > 0 else "the data counts from 1")
        return [
            Finding(
                CHECK,
                "error",
                f"The model's answers fit the labels {'plus' if shift > 0 else 'minus'} 1 ({better}): {why}, it seems.",
                "The metric is that of wrong labels, and an app shows the neighbour's name.",
                f"Number the data's classes as the model does (label 0 is the model's {first}), with the names in its "
                "order: --set data.labels=FILE, one a line" + (", the background's first." if shift > 0 else "."),
                {"shift": shift, **_shares(predicted, labels + shift, labels)},
            )
        ]
    return []


def _permuted(predicted: Classes, labels: Classes, classes: int, names: Sequence[str]) -> list[Finding]:
    """Another order, found on every second example and tried on the others; known orders need no finding."""
    size = max(classes, int(labels.max()) + 1)
    known = {how: order for how, order in _orders(names).items() if len(order) <= size}
    for how, order in known.items():
        mapped = np.where(labels < len(order), order[np.minimum(labels, len(order) - 1)], labels)
        better = _better(predicted == mapped, predicted == labels)
        if better is not None:
            return [_order(how, order, names, better, _shares(predicted, mapped, labels))]
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (labels[::2], predicted[::2]), 1)
    _, order = linear_sum_assignment(-counts)
    seen = np.isin(labels[1::2], labels[::2])
    own, answered = labels[1::2][seen], predicted[1::2][seen]
    if len(own) < FEWEST // 2 or (order == np.arange(size)).all():
        return []
    better = _better(answered == order[own], answered == own)
    if better is None:
        return []
    used = np.unique(labels)
    listed = {int(label): int(order[label]) for label in used if order[label] != label}
    facts = _shares(answered, order[own], own)
    return [_order("", np.asarray(order), names, better, facts, list(listed)[:_PAIRS])]


def _order(
    how: str, order: Classes, names: Sequence[str], better: str, facts: dict[str, Any], moved: Sequence[int] = ()
) -> Finding:
    shown = moved or [int(label) for label in np.flatnonzero(order != np.arange(len(order)))[:_PAIRS]]
    pairs = ", ".join(f"{names[label] if label < len(names) else label} is its {order[label]}" for label in shown)
    order_of = f"{how}, " if how else ""
    return Finding(
        CHECK,
        "error",
        f"The model's classes are in another order than the data's ({order_of}{pairs}, …; {better}).",
        "The metric is that of wrong labels, and an app shows another class's name.",
        "Give the class names in the model's order, one a line: --set data.labels=FILE.",
        facts,
    )


def _orders(names: Sequence[str]) -> dict[str, Classes]:
    """The model's number of each of the data's classes, if the model had them in a usual order."""
    found: dict[str, Classes] = {}
    usual = {
        "the model's are sorted by name": sorted(names),
        "the model's are sorted by name without regard to case": sorted(names, key=str.lower),
        "the model's are sorted by number": sorted(names, key=lambda name: (not name.isdigit(), int(name or 0)))
        if names and all(name.isdigit() for name in names)
        else list(names),
    }
    for how, order in usual.items():
        if len(set(names)) == len(names) and list(order) != list(names):
            found[how] = np.array([order.index(name) for name in names], np.int64)
    return found


def _better(right: NDArray[np.bool_], now: NDArray[np.bool_]) -> str | None:
    difference = paired_difference(right, now)
    if difference.value < CLEARLY or difference.low <= SURELY:
        return None
    return f"top-1 {percent(float(right.mean()))} against {percent(float(now.mean()))} on {len(now)} examples"


def _shares(predicted: Classes, mapped: Classes, labels: Classes) -> dict[str, Any]:
    return {
        "examples": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "accuracy_renumbered": float((predicted == mapped).mean()),
    }
