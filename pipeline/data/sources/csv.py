"""`csv`: rows of numbers, or of files, with their targets and, optionally, splits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import fingerprint
from pipeline.data.columns import RowColumn
from pipeline.data.examples import Column
from pipeline.data.labels import order_classes
from pipeline.data.sources import csv_located
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.file_lists import CONVERSIONS, columns_of_files, kind_of
from pipeline.data.sources.source import SPLIT_OF, SPLITS, KnownTarget, Source, required_path
from pipeline.data.sources.table_file import Table, find_file, number, read_table
from pipeline.errors import InputError, did_you_mean, readable
from pipeline.recipe import LOCATED, Data, Input, Target
from pipeline.tensors import INPUT, TARGET

FILE, LABEL, SPLIT = "file", "label", "split"
"""The columns that mean something without the recipe's saying so."""


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The rows of a CSV file whose first line names its columns.

    With a column `file`, rows are images or recordings, relative to the CSV's folder or to an `images/` folder beside
    it; without one the file is a table, and the input is all of its columns of numbers but the targets. A column
    `label` is the target: class indices if every one is a whole number, other numbers as values, else class names. The
    recipe's `inputs` and `targets` name other columns. A target of the kind boxes has a box a row, one of points a row
    an image, one of the kind mask a column of files. Splits, in a column `split`, are train, calibration,
    validation (or val) and test; rows without one are training examples.

    Raises:
        InputError: no such CSV, a column or a file missing, a file listed twice, a value that is no number, or a wrong
            label.
    """
    path = required_path(data, "a CSV file")
    table = read_table(path, header=data.header)
    if any(section.kind in LOCATED for section in (data.targets or {}).values()):
        return csv_located.read(data, table, names)
    reading = _Reading(table, data, names, _rows_of_splits(table))
    targets = reading.targets()
    inputs = reading.inputs(targets)
    if not table.lines:
        raise InputError(f"data.path: {path} has no rows.")
    columns = {name: reading.input(name, section, key) for name, (section, key) in inputs.items()}
    known: dict[str, KnownTarget] = {}
    stored = {name: reading.target(name, section, key, known) for name, (section, key) in targets.items()}
    found = {
        split: Found(
            {name: column[split] for name, column in columns.items()},
            {name: target[split] for name, target in stored.items()},
            {name: [values[row] for row in rows] for name, values in table.columns.items()},
        )
        for split, rows in reading.rows.items()
    }
    return assemble(found, data, names, known, reading.fingerprint(), named=True)


@dataclass(frozen=True, eq=False)
class _Reading:
    """What making columns of a table needs, and the files met on the way."""

    table: Table
    data: Data
    names: tuple[str, ...] | None
    rows: dict[str, list[int]]
    files: dict[str, list[str]] = field(default_factory=dict)

    def targets(self) -> dict[str, tuple[Target, str]]:
        """By name the recipe's section and the column; the section's own columns where that is ''."""
        there = self.table.columns
        if self.data.targets is None:
            if LABEL in there:
                return {TARGET: (Target(), LABEL)}
            near = difflib.get_close_matches(LABEL, there, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            if FILE in there and not near:
                return {}
            both = "" if FILE in there else f"no column '{FILE}' and "
            raise InputError(
                f"data.path: {self.table.path} has {both}no column '{LABEL}'; it has {self.table.listed}.{hint} "
                "Name the targets' columns, `--set data.targets={y: {columns: [NAME]}}`, or say that there are none: "
                "`--set data.targets={}`."
            )
        wanted = {name: section for name, section in self.data.targets.items() if section.copy_of is None}
        return {name: (section, self._key(name, section, LABEL, len(wanted) == 1)) for name, section in wanted.items()}

    def inputs(self, targets: Mapping[str, tuple[Target, str]]) -> dict[str, tuple[Input, str]]:
        """The same for inputs; '' without columns means all that are left."""
        given = self.data.inputs or {INPUT: Input()}
        return {
            name: (self._all_left(section, targets) if key == "" and section.columns is None else section, key)
            for name, section in given.items()
            for key in [self._key(name, section, FILE, len(given) == 1)]
        }

    def _key(self, name: str, section: Input | Target, default: str, alone: bool) -> str:
        there = self.table.columns
        what = "inputs" if isinstance(section, Input) else "targets"
        if section.columns is not None:
            if section.stored is not None:
                raise InputError(f"data.{what}.{name} takes from or columns of a CSV, not both.")
            return ""
        if section.stored is None and name not in there and alone:
            if default in there:
                return default
            if isinstance(section, Input):
                return ""
        self.table.column(section.stored or name, f"data.{what}.{name}")
        return section.stored or name

    def _all_left(self, section: Input, targets: Mapping[str, tuple[Target, str]]) -> Input:
        taken = {SPLIT} | {column for target, key in targets.values() for column in (target.columns or (key,))}
        taken |= {self.data.split_by.group} if self.data.split_by is not None else set()
        left = tuple(name for name in self.table.names if name not in taken and self.table.is_numeric(name))
        if not left:
            raise InputError(
                f"data.path: {self.table.path} has no column '{FILE}'; it has {self.table.listed}, "
                "and none but the targets holds numbers. The first line must name the columns: file and label for "
                "images and recordings, or those of a table."
            )
        return section.model_copy(update={"columns": left})

    def input(self, name: str, section: Input, key: str) -> dict[str, Column]:
        """An input's column of each split."""
        where = f"data.inputs.{name}"
        columns = section.columns or ((key,) if self.table.is_numeric(key) else None)
        if columns is None:
            channels = (section.preprocess or self.data.preprocess).channels
            return self._file_columns(name, key, channels, unique=len(self.data.inputs or ()) <= 1)
        numbers = self.table.numbers(columns, where, gaps=self.data.on_corrupt == "skip").astype(np.float32)
        return self._row_columns(numbers, columns)

    def target(self, name: str, section: Target, key: str, known: dict[str, KnownTarget]) -> dict[str, Any]:
        """What is stored of a target in each split. What the table says of its kind goes into `known`."""
        where = f"data.targets.{name}"
        gaps = self.data.on_corrupt == "skip"
        for one in section.columns or ():
            self.table.column(one, f"{where}.columns")
        if section.columns is not None and (len(section.columns) > 1 or self.table.is_numeric(section.columns[0])):
            numbers = self.table.numbers(section.columns, where, gaps=gaps)
            known[name] = KnownTarget("value")
            return self._by_split(numbers[:, 0] if len(section.columns) == 1 else numbers)
        column = section.columns[0] if section.columns is not None else key
        texts = self.table.column(column, where)
        empty = next((row for row, text in enumerate(texts) if not text), None)
        if empty is not None:
            raise InputError(f"{self.table.path}, line {self.table.lines[empty]}: the {column} is empty.")
        values = [number(text) for text in texts]
        odd = next((row for row, value in enumerate(values) if value is None), None)
        if odd is None:
            return self._by_split(np.array(values, np.float64))
        if kind_of(texts[0]) is not None or Path(texts[0]).suffix.lower() in CONVERSIONS:
            known[name] = KnownTarget("value")
            channels = (section.preprocess or self.data.preprocess).channels
            return dict(self._file_columns(name, column, channels, unique=False))
        if section.kind not in (None, "class"):
            raise InputError(
                f"{self.table.path}, line {self.table.lines[odd]}, column '{column}': '{texts[odd]}' is not a number, "
                f"as {where}.kind={section.kind} needs."
            )
        texts = [readable(text) for text in texts]
        class_names, index_of = order_classes(texts, self.names)
        known[name] = KnownTarget("class", class_names)
        return self._by_split(np.array([index_of[text] for text in texts], np.int64))

    def _by_split(self, values: NDArray[Any]) -> dict[str, Any]:
        return {split: values[rows] for split, rows in self.rows.items()}

    def _row_columns(self, numbers: NDArray[Any], columns: tuple[str, ...]) -> dict[str, Column]:
        lines, path = self.table.lines, str(self.table.path)
        return {
            split: RowColumn(numbers[rows], path, [lines[row] for row in rows], columns)
            for split, rows in self.rows.items()
        }

    def _file_columns(self, name: str, key: str, channels: int | None, *, unique: bool) -> dict[str, Column]:
        root = self.table.path.parent
        files = [_find(self.table, row, key) for row in range(len(self.table.lines))]
        if unique:
            _check_unique(self.table, files)
        self.files[name] = files
        listing = {split: [files[row] for row in rows] for split, rows in self.rows.items()}
        return columns_of_files(name, root, listing, self.data, channels=channels)

    def fingerprint(self) -> str | None:
        """Of the files' names and sizes and all that the table says; None: of the numbers themselves."""
        if not self.files:
            return None
        table = self.table
        rows = [tuple(values[row] for values in table.columns.values()) for row in range(len(table.lines))]
        files = [list(of_row) for of_row in zip(*self.files.values(), strict=True)]
        return fingerprint.of_files(table.path.parent, {"all": (files, rows)})


def _rows_of_splits(table: Table) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {split: [] for split in SPLITS}
    said = table.columns.get(SPLIT, [""] * len(table.lines))
    for row, split in enumerate(said):
        if split and split.lower() not in SPLIT_OF:
            raise InputError(
                f"{table.path}, line {table.lines[row]}: unknown split '{split}'.{did_you_mean(split, SPLITS)}"
            )
        rows[SPLIT_OF[split.lower() or "train"]].append(row)
    return {split: found for split, found in rows.items() if found}


def _find(table: Table, row: int, key: str) -> str:
    """A row's file, relative to the CSV's folder."""
    file, root, line = table.columns[key][row], table.path.parent, table.lines[row]
    if not file:
        raise InputError(f"{table.path}, line {line}: the {key} is empty.")
    path = find_file(table, file)
    if path is None:
        raise InputError(f"{table.path}, line {line}: there is no file {file} in {root} or {root / 'images'}.")
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _check_unique(table: Table, files: list[str]) -> None:
    line_of: dict[str, int] = {}
    for file, line in zip(files, table.lines, strict=True):
        if file in line_of:
            raise InputError(
                f"{table.path} lists {file} twice, in lines {line_of[file]} and {line}: it could end up in two splits. "
                "Remove one of them."
            )
        line_of[file] = line
