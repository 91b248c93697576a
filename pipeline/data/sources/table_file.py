"""A CSV file as columns of text, and as numbers where they are numbers; errors name line, column and value."""

from __future__ import annotations

import codecs
import csv
import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, did_you_mean, readable


@dataclass(frozen=True, eq=False)
class Table:
    """Attributes:
    path: The file.
    names: Its columns' names.
    columns: By name, stripped of spaces.
    lines: Of each row, counted from 1; the header is line 1.
    """

    path: Path
    names: tuple[str, ...]
    columns: dict[str, list[str]]
    lines: list[int]

    @property
    def listed(self) -> str:
        """The columns' names for messages; of many the first and the last."""
        names = self.names
        return ", ".join(names if len(names) <= 12 else (*names[:10], "…", names[-1])) or "none"

    def column(self, name: str, key: str) -> list[str]:
        """A column's text.

        Raises:
            InputError: there is no such column; `key` is the recipe's that asked for it.
        """
        if name not in self.columns:
            raise InputError(
                f"{key}: {self.path} has no column '{name}'; it has {self.listed}.{did_you_mean(name, self.names)}"
            )
        return self.columns[name]

    def is_numeric(self, name: str) -> bool:
        """Whether most of a column's values are numbers."""
        values = self.columns[name]
        return 2 * sum(number(value) is not None for value in values) > len(values)

    def numbers(self, names: tuple[str, ...], key: str, *, gaps: bool) -> NDArray[np.float64]:
        """Columns as numbers, [rows, columns].

        Args:
            names: The columns.
            key: The recipe's that asked for them, for messages.
            gaps: Take a missing value as NaN.

        Raises:
            InputError: no such column, a value that is no number, or one that is missing.
        """
        table = np.empty((len(self.lines), len(names)))
        for place, name in enumerate(names):
            for row, text in enumerate(self.column(name, key)):
                value = number(text)
                if value is None and text:
                    raise InputError(
                        f"{self.path}, line {self.lines[row]}, column '{name}': '{text}' is not a number. Correct it, "
                        f"or name the columns of numbers with {key}.columns."
                    )
                if (value is None or not math.isfinite(value)) and not gaps:
                    what = f"'{text}' is no finite number" if text else "the value is missing"
                    raise InputError(
                        f"{self.path}, line {self.lines[row]}, column '{name}': {what}. Fill it in or remove the line, "
                        "or leave such rows out with `--set data.on_corrupt=skip`."
                    )
                table[row, place] = math.nan if value is None else value
        return table


def read_table(path: Path, *, header: bool = True) -> Table:
    """
    Args:
        path: The file.
        header: Whether its first line names the columns; without one they are called 0, 1, ….

    Raises:
        InputError: it is not a CSV file with a header and at least one row, or a row has more or fewer values.
    """
    try:
        # A name of a file need not be UTF-8, and is opened by its bytes.
        with path.open(newline="", encoding=_encoding(path), errors="surrogateescape") as file:
            reader = csv.reader(file)
            first = next(reader, [])
            names = tuple(readable(name.strip()) if header else str(place) for place, name in enumerate(first))
            rows, lines = [], []
            for row in reader if header else chain([first], reader):
                if not any(value.strip() for value in row):  # a blank line, or one of commas alone
                    continue
                if len(row) != len(names):
                    raise InputError(
                        f"{path}, line {reader.line_num}: it has {len(row)} values, and the header names {len(names)} "
                        "columns."
                    )
                rows.append([value.strip() for value in row])
                lines.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data.path: {path} cannot be read as a CSV file: {error}.") from error
    if names and header and all(number(name) is not None for name in names):
        raise InputError(
            f"data.path: the first line of {path} names no columns, it holds numbers. If there is no line of names, "
            "`--set data.header=false` calls the columns 0, 1, …."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"data.path: {path} has two columns called '{twice}'. Rename one.")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return Table(path, names, columns, lines)


def find_file(table: Table, file: str) -> Path | None:
    """The file that a cell names: relative to the table's folder, or to `images/` beside it."""
    root = table.path.parent
    return next((path for path in (root / file, root / "images" / file) if path.is_file()), None)


def _encoding(path: Path) -> str:
    """UTF-16 where a mark says so, as spreadsheets write it; UTF-8 otherwise.

    Raises:
        csv.Error: it is no text.
    """
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise csv.Error("it is no text")
    return "utf-8-sig"


def number(text: str) -> float | None:
    """The number that a cell holds; None: it holds none."""
    try:
        return float(text)
    except ValueError:
        return None
