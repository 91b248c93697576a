"""How results look on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from pipeline.text_table import decibels as decibels
from pipeline.text_table import size as size

if TYPE_CHECKING:
    from pipeline.finding import Finding

PIPE_WIDTH = 140
"""Columns of a table of sentences where the output is no terminal."""


def say(message: str) -> None:
    """A line about what was done, on stderr: stdout is for results."""
    typer.echo(f"  {message}", err=True)


def as_json(content: Any) -> None:
    """JSON on stdout."""
    typer.echo(json.dumps(content, indent=1))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table on stdout: the first column to the left, numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    sheet = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    for index, column in enumerate(columns):
        sheet.add_column(column, justify="right" if index else "left", overflow="fold", no_wrap=not index)
    for row in rows:
        sheet.add_row(*row)
    Console(highlight=False).print(sheet)


def findings(found: Iterable[Finding]) -> None:
    """What checks found, on stdout. Sentences, so all to the left."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    sheet = Table(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    for name, ratio in (("finding", 4), ("severity", None), ("what it does to the model", 3), ("what to do", 3)):
        sheet.add_column(name, ratio=ratio, no_wrap=ratio is None, overflow="fold")
    for finding in found:
        sheet.add_row(f"{finding.check}: {finding.message}", finding.severity, finding.effect, finding.remedy)
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(sheet)


def percent(share: float | None) -> str:
    """A fraction as a percentage."""
    return "–" if share is None else f"{100 * share:.1f} %"


def shorten(text: str, width: int) -> str:
    """A long name without its middle."""
    half = (width - 1) // 2
    return text if len(text) <= width else f"{text[: width - 1 - half]}…{text[-half:]}"


def milliseconds(value: float | None) -> str:
    """A latency, with three significant digits."""
    return "–" if value is None else f"{value:.3g} ms"
