"""Plain-text tables, as results of the Python API print them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right, a line under the heads.

    >>> print(text_table(["model", "size"], [["float", "84 KB"], ["int8", "25 KB"]]))
    model   size
    ────────────
    float  84 KB
    int8   25 KB
    """
    table = [list(columns), *map(list, rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    return "\n".join([lines[0].rstrip(), "─" * len(lines[0]), *(line.rstrip() for line in lines[1:])])


def size(number_of_bytes: int | None) -> str:
    """Bytes in the unit that fits: KB and MB of 1,000, as download sizes are given."""
    if number_of_bytes is None:
        return "–"
    if number_of_bytes < 1_000_000:
        return f"{number_of_bytes / 1_000:.0f} KB"
    return f"{number_of_bytes / 1_000_000:.2f} MB"


def decibels(value: float) -> str:
    """A signal to noise ratio; infinite where nothing differs, minus infinite where nothing is left."""
    if math.isfinite(value):
        return f"{value:.1f} dB"
    return "same" if value > 0 else "lost"
