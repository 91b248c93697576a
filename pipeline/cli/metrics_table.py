"""The tables of metrics: as many columns as fit, the first metric and what it loses always among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.cli import show
from pipeline.cli.show import echo
from pipeline.tasks.task import Metric

WIDTH = 80
"""Columns of a terminal that every table fits in; what is left out is in the JSON."""

NOTHING = "–"
"""What a cell shows where nothing is known; a column of such cells is left out."""


@dataclass(frozen=True)
class Column:
    """One column, a cell a model."""

    name: str
    cells: Sequence[str]
    optional: bool = False
    """Left out, from the right, where the table is too wide."""

    @property
    def width(self) -> int:
        return max(map(len, (self.name, *self.cells)))


def metrics_of(task: Mapping[str, Any]) -> list[Metric]:
    """The metrics in a JSON `task` block."""
    return [Metric(**metric) for metric in task.get("metrics", [])]


def metric_columns(task: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]], against: str) -> list[Column]:
    """How good models are, and how near to a reference.

    Args:
        task: Its JSON, with the metrics.
        blocks: The models' JSON.
        against: What the reference is called.
    """
    metrics = metrics_of(task)
    columns = [
        Column(metric.label, [metric.show(block.get(metric.name)) for block in blocks], optional=place > 0)
        for place, metric in enumerate(metrics)
    ]
    if metrics:
        cells = [_difference(metrics[0], block["difference"]) for block in blocks]
        columns.insert(1, Column(f"vs {against}", cells))
    columns.append(Column("agreement", [show.percent(block["agreement"]) for block in blocks]))
    if not metrics:
        columns.append(Column("SQNR", [_decibels(block) for block in blocks]))
        columns.append(Column("steps", [_steps(block) for block in blocks]))
    said = [column for column in columns if set(column.cells) != {NOTHING}]
    return said or columns


def interval_column(task: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The 95 % interval of the first metric; none where there is no metric."""
    metrics = metrics_of(task)
    if not metrics:
        return []
    factor, digits = metrics[0].factor, ".1f" if metrics[0].unit == "%" else ".3g"
    found = [block.get(f"{metrics[0].name}_interval") or [None] for block in blocks]
    cells = [NOTHING if None in ends else " – ".join(f"{factor * end:{digits}}" for end in ends) for ends in found]
    return [Column("95 % interval", cells)]


def unit_of_difference(task: Mapping[str, Any]) -> str:
    """What a difference of the first metric is in, for a sentence; empty where it has no unit."""
    metrics = metrics_of(task)
    return metrics[0].unit_of_points if metrics else ""


def table(columns: Iterable[Column], title: str | None = None) -> None:
    """Show the columns that fit, and say which do not."""
    kept = list(columns)
    dropped: list[str] = []
    while sum(column.width + 2 for column in kept) > WIDTH and any(column.optional for column in kept):
        last = max(place for place, column in enumerate(kept) if column.optional)
        dropped.insert(0, kept.pop(last).name)
    show.table([column.name for column in kept], zip(*(column.cells for column in kept), strict=True), title)
    if dropped:
        echo(f"not shown for want of room, but with --json: {', '.join(dropped)}")


def _difference(metric: Metric, difference: Mapping[str, float | None] | None) -> str:
    ends = [end for end in (difference or {}).values() if end is not None]
    return metric.show_points(*(metric.factor * end for end in ends)) if len(ends) == 3 else NOTHING


def _decibels(block: Mapping[str, Any]) -> str:
    """The ratio of the output that is worst off."""
    outputs = block.get("outputs")
    if not outputs:
        return NOTHING
    return show.decibels(min(_ratio(output) for output in outputs.values()))


def _ratio(output: Mapping[str, Any]) -> float:
    if output["sqnr_db"] is not None:
        return float(output["sqnr_db"])
    return math.inf if output["identical"] else -math.inf


def _steps(block: Mapping[str, Any]) -> str:
    steps = [output["max_lsb"] for output in (block.get("outputs") or {}).values() if output["max_lsb"] is not None]
    return str(max(steps)) if steps else NOTHING
