"""How results look on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from pipeline.errors import readable
from pipeline.text_table import decibels as decibels
from pipeline.text_table import size as size

if TYPE_CHECKING:
    from pipeline.finding import Finding

PIPE_WIDTH = 140
"""Columns of a table of sentences where the output is no terminal."""

FOLDED = 14
"""Characters of a table's column from which on it folds where there is no room."""


def echo(text: object, *, err: bool = False) -> None:
    """Text on stdout, or stderr; names out of a file, which may hold anything, move no cursor."""
    typer.echo(readable(text), err=err)


def say(message: str) -> None:
    """A line about what was done, on stderr: stdout is for results."""
    echo(f"  {message}", err=True)


def as_json(content: Any) -> None:
    """JSON on stdout."""
    typer.echo(json.dumps(content, indent=1))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table on stdout: the first column to the left, numbers to the right.

    Names out of a file, which may hold anything, move no cursor. Where it is wider than the terminal, columns of long
    texts fold; numbers and short words stay on one line, and where even these do not fit, an ellipsis shows that
    something is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    sheet = Table(
        title=None if title is None else readable(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        title_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    cells = [[readable(text) for text in row] for row in rows]
    for index, column in enumerate(columns):
        longest = max(len(text) for text in (column, *(row[index] for row in cells)))
        folds = longest > FOLDED
        sheet.add_column(
            column,
            justify="right" if index else "left",
            overflow="fold" if folds else "ellipsis",
            no_wrap=not folds,
            min_width=FOLDED if folds else None,
        )
    for row in cells:
        sheet.add_row(*row)
    Console(highlight=False, markup=False).print(sheet)


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
        cells = (f"{finding.check}: {finding.message}", finding.severity, finding.effect, finding.remedy)
        sheet.add_row(*map(readable, cells))
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
