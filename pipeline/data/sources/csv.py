"""`csv`: a table of image files with their labels and, optionally, splits."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.labels import class_indices, name_classes, order_classes
from pipeline.data.sources.image_files import source_of_files
from pipeline.data.sources.source import SPLIT_OF, SPLITS, Source, required_path
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data


@dataclass(frozen=True)
class _Row:
    file: str
    label: str
    split: str


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The images listed in a CSV file with the columns `file`, `label` and, optionally, `split`.

    A file is relative to the CSV's folder or to an `images/` folder beside it. Labels are class indices if
    every one is a number, and else class names. Splits are train, calibration, validation (or val) and test;
    rows without one are training examples.

    Raises:
        InputError: no such CSV, a column or a file missing, a file listed twice, or a wrong label.
    """
    path = required_path(data, "a CSV file")
    rows = _rows(path)
    labels = [row.label for row in rows]
    numbers = _numbers(labels)
    if numbers is None:
        class_names, index_of = order_classes(labels, names)
        indices = [index_of[label] for label in labels]
    else:
        checked, _ = class_indices(numbers, lambda index: f"{path}: {rows[index].file}")
        indices = checked.tolist()
        known = [index for row, index in zip(rows, indices, strict=True) if row.split == "train"] or indices
        class_names = names or tuple(str(index) for index in range(max(known) + 1))
    listing: dict[str, tuple[list[str], list[int]]] = {split: ([], []) for split in SPLITS}
    for row, index in zip(rows, indices, strict=True):
        files, split_indices = listing[row.split]
        files.append(row.file)
        split_indices.append(index)
    source = source_of_files(path.parent, listing, class_names, data)
    name_classes(source.splits, names, None, len(class_names))
    return source


def _rows(path: Path) -> list[_Row]:
    rows: list[_Row] = []
    line_of: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or [])
            for record in reader:
                row = _row(path, reader.line_num, record)
                if row.file in line_of:
                    raise InputError(
                        f"{path} lists {row.file} twice, in lines {line_of[row.file]} and {reader.line_num}: "
                        "it could end up in two splits. Remove one of them."
                    )
                line_of[row.file] = reader.line_num
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data.path: {path} cannot be read as a CSV file: {error}.") from error
    if not rows:
        raise InputError(f"data.path: {path} has no rows.")
    return rows


def _check_columns(path: Path, columns: object) -> None:
    found = [str(column) for column in columns] if isinstance(columns, list | tuple) else []
    for column in ("file", "label"):
        if column not in found:
            raise InputError(
                f"data.path: {path} has no column '{column}'; it has {', '.join(found) or 'none'}. "
                "The first line must name the columns file, label and, optionally, split."
            )


def _row(path: Path, line: int, record: dict[str, str | None]) -> _Row:
    file, label, split = ((record.get(key) or "").strip() for key in ("file", "label", "split"))
    if not file or not label:
        raise InputError(f"{path}, line {line}: the {'label' if file else 'file'} is empty.")
    if split and split.lower() not in SPLIT_OF:
        raise InputError(f"{path}, line {line}: unknown split '{split}'.{did_you_mean(split, SPLITS)}")
    if not (path.parent / file).is_file():
        beside = Path("images") / file
        if not (path.parent / beside).is_file():
            raise InputError(
                f"{path}, line {line}: there is no file {file} in {path.parent} or {path.parent / 'images'}."
            )
        file = str(beside)
    return _Row(file, label, SPLIT_OF[split.lower() or "train"])


def _numbers(labels: list[str]) -> list[float] | None:
    """The labels as numbers, or nothing if one of them is a name."""
    try:
        return [float(label) for label in labels]
    except ValueError:
        return None
