"""What a `csv` of image files says of places in them: a box a row, points a row, or a file of a mask a row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import CROWD, DIFFICULT, ORDINARY
from pipeline.data.annotations.annotated import AnnotatedImage, Box
from pipeline.data.annotations.mask_files import MaskFiles, names_of
from pipeline.data.read_located import StoredMasks
from pipeline.data.sources.annotated_files import Classes, Pair, source_of_annotated, source_of_files
from pipeline.data.sources.annotated_images import Images
from pipeline.data.sources.masks import Masks
from pipeline.data.sources.source import SPLIT_OF, KnownTarget, Source
from pipeline.data.sources.table_file import Table, find_file, number
from pipeline.errors import InputError, did_you_mean, readable
from pipeline.recipe import Data, Target
from pipeline.tensors import TARGET

FILE = ("file", "filename", "image", "imagename", "imagefile", "img", "path", "filepath", "imagepath", "imageid")
LABEL = ("class", "classname", "label", "labelname", "category", "categoryname", "name")
MASK = ("mask", "maskfile", "maskpath", "segmentation", "annotation", "label")
FLAGS = {"difficult": DIFFICULT, "crowd": CROWD, "iscrowd": CROWD, "isgroupof": CROWD}
SPLIT = "split"
_X_MIN, _Y_MIN = ("xmin", "x1", "left", "bboxxmin", "x", "bboxx"), ("ymin", "y1", "top", "bboxymin", "y", "bboxy")
_X_MAX, _Y_MAX = ("xmax", "x2", "right", "bboxxmax"), ("ymax", "y2", "bottom", "bboxymax")
_WIDTH, _HEIGHT = ("w", "width", "bboxwidth", "bboxw"), ("h", "height", "bboxheight", "bboxh")
_NAMES_OF_A_BOX = "x_min, y_min, x_max, y_max (or x, y, width, height) and class"
_COLUMN_OF_X = re.compile(r"^x(?=[_\W\d])|(?<=[_\W\d])x$", re.IGNORECASE)


def read(data: Data, table: Table, names: tuple[str, ...] | None) -> Source:
    """
    Args:
        data: With one target of the kind boxes, mask or points.
        table: The file's rows.
        names: The names in `data.labels`.

    Raises:
        InputError: columns are missing or hold what they should not, or files are not there.
    """
    wanted = {name: section for name, section in (data.targets or {}).items() if section.copy_of is None}
    if len(wanted) != 1:
        raise InputError("data.targets: boxes, mask and points are the only target of a CSV, and the recipe has more.")
    ((name, section),) = wanted.items()
    rows = _Rows(table, data, name, section, names)
    return {"boxes": rows.boxes, "mask": rows.masks, "points": rows.points}[str(section.kind)]()


def _by_own_names(data: Data) -> Data:
    """The section without the columns that it names, which are read here."""
    found = {"stored": None, "columns": None}
    sections = {"inputs": data.inputs, "targets": data.targets}
    return data.model_copy(
        update={
            what: {name: section.model_copy(update=found) for name, section in (named or {}).items()} or None
            for what, named in sections.items()
        }
    )


class _Rows:
    def __init__(self, table: Table, data: Data, name: str, section: Target, names: tuple[str, ...] | None) -> None:
        self._table, self._section, self._names = table, section, names
        self._data = _by_own_names(data)
        self._key = f"data.targets.{name}"
        self._columns = {re.sub(r"[\W_]", "", column).lower(): column for column in table.names}
        given = [one.stored for one in (data.inputs or {}).values() if one.stored is not None]
        self._file = given[0] if given else self._one_of(FILE, "image files", "file")
        table.column(self._file, "data.inputs")
        if not table.lines:
            raise InputError(f"data.path: {table.path} has no rows.")

    def boxes(self) -> Source:
        """Rows of one image are together; one whose numbers are all missing says that its image has no box."""
        corners, shares, there = self._corners()
        labels = self._labels(there)
        flags = self._flags()
        images = Images(self._data)
        found: dict[str, tuple[str, list[Box]]] = {}
        for row, line in enumerate(self._table.lines):
            file, split = self._table.columns[self._file][row], self._split(row)
            known, boxes = found.setdefault(file, (split, []))
            if known != split:
                raise InputError(f"{self._table.path}, line {line}: {readable(file)} is in {known} and in {split}.")
            if there[row]:
                y_min, x_min, y_max, x_max = corners[row].tolist()
                boxes.append(Box(y_min, x_min, y_max, x_max, labels[row], flags[row], where=f"line {line}"))
        pairs: dict[str, list[Pair]] = {}
        for file, (split, boxes) in found.items():
            path = find_file(self._table, file)
            if path is None:
                images.count_missing(str(self._table.path), file)
                continue
            annotated = AnnotatedImage(file, str(self._table.path), boxes)
            pairs.setdefault(split, []).append(Pair(path, annotated))
        whole = [label for label in labels if isinstance(label, int)]
        native = (self._names or tuple(map(str, range(max(whole) + 1)))) if whole else None
        return source_of_annotated(pairs, Classes(native), self._data, self._names, images, shares=shares)

    def points(self) -> Source:
        """A row an image: x and y of each point, which are missing where it is not there."""
        pairs = self._pairs_of_points()
        files, rows = self._files()
        points = np.stack(
            [self._table.numbers((y, x), self._key, gaps=True) for _, x, y in pairs], axis=1
        )  # [rows, points, 2]
        seen = np.where(np.isfinite(points).all(axis=2, keepdims=True), 2.0, 0.0)
        whole = np.concatenate([points, seen], axis=2).astype(np.float32)
        known = KnownTarget("points", self._names or tuple(point for point, _, _ in pairs))
        return source_of_files(
            {split: [files[row] for row in of] for split, of in rows.items()},
            {split: whole[of] for split, of in rows.items()},
            {split: whole[of].tolist() for split, of in rows.items()},
            self._data,
            {TARGET: known},
            (),
        )

    def masks(self) -> Source:
        """A row an image: its file and its mask's."""
        given = self._section.stored or next(iter(self._section.columns or ()), None)
        column = given or self._one_of(MASK, "mask files", "mask")
        self._table.column(column, self._key)
        files, rows = self._files()
        masks = [self._there(row, column) for row in range(len(files))]
        colours = self._section.colours or {}
        reader = MaskFiles(tuple(colours.values()), self._section.ignore)
        listed = {split: [(files[row], {"": masks[row]}) for row in of] for split, of in rows.items()}
        read = {split: Masks(reader, pairs) for split, pairs in listed.items()}
        for one in read.values():
            one.check_sizes()
        return source_of_files(
            {split: [image for image, _ in pairs] for split, pairs in listed.items()},
            {split: StoredMasks(one.read, len(one.pairs)) for split, one in read.items()},
            {split: [repr(reader)] * len(pairs) for split, pairs in listed.items()},
            self._data,
            {TARGET: KnownTarget("mask", self._names or names_of((), colours))},
            (),
            {split: [list(of.values()) for _, of in pairs] for split, pairs in listed.items()},
        )

    def _one_of(self, called: Sequence[str], what: str, key: str) -> str:
        found = next((self._columns[one] for one in called if one in self._columns), None)
        if found is None:
            raise InputError(
                f"data.path: {self._table.path} has no column of {what}, as '{key}'; it has {self._table.listed}."
                f"{did_you_mean(key, self._table.names)}"
            )
        return found

    def _corners(self) -> tuple[NDArray[np.float64], bool, NDArray[np.bool_]]:
        """[rows, 4] y_min, x_min, y_max, x_max; whether they are shares; and the rows that have a box."""
        given = self._section.columns
        if given is not None:
            if len(given) != 5:
                raise InputError(
                    f"{self._key}.columns of boxes are x_min, y_min, x_max, y_max and class, in this order."
                )
            named: list[str] | None = list(given[:4])
            sizes = False
        else:
            low = [self._maybe(_X_MIN), self._maybe(_Y_MIN)]
            high = [self._maybe(_X_MAX), self._maybe(_Y_MAX)]
            sizes = None in high
            named = [
                one for one in (*low, *(high if not sizes else (self._maybe(_WIDTH), self._maybe(_HEIGHT)))) if one
            ]
        if named is None or len(named) != 4:
            raise InputError(
                f"data.path: {self._table.path} has no columns of boxes; it has {self._table.listed}. They are called "
                f"{_NAMES_OF_A_BOX}, or named: {self._key}.columns: [x_min, y_min, x_max, y_max, class]."
            )
        numbers = self._table.numbers(tuple(named), f"{self._key}", gaps=True)
        missing = np.isnan(numbers)
        half = np.any(missing, axis=1) & np.any(~missing, axis=1)
        if half.any():
            line = self._table.lines[int(np.argmax(half))]
            raise InputError(f"{self._table.path}, line {line}: a box has four numbers, and some are missing.")
        there = np.any(~missing, axis=1)
        values = numbers[there]
        if sizes:
            numbers[:, 2:] += numbers[:, :2]
        shares = bool(len(values) and np.abs(values).max() <= 1.0 and (values != np.floor(values)).any())
        return numbers[:, [1, 0, 3, 2]], shares, there

    def _maybe(self, called: Sequence[str]) -> str | None:
        return next((self._columns[one] for one in called if one in self._columns), None)

    def _labels(self, there: NDArray[np.bool_]) -> list[int | str]:
        """Whole numbers are indices, as in other CSV files; anything else is a name."""
        given = self._section.columns
        column = given[4] if given is not None else self._one_of(LABEL, "classes", "class")
        texts = self._table.column(column, self._key)
        empty = next((row for row, text in enumerate(texts) if there[row] and not text), None)
        if empty is not None:
            raise InputError(f"{self._table.path}, line {self._table.lines[empty]}: the {column} is empty.")
        values = [number(text) for row, text in enumerate(texts) if there[row]]
        if all(value is not None and value >= 0 and value == math.floor(value) for value in values):
            return [int(float(text)) if there[row] else "" for row, text in enumerate(texts)]
        return [readable(text) for text in texts]

    def _flags(self) -> list[int]:
        flags = [ORDINARY] * len(self._table.lines)
        for called, flag in FLAGS.items():
            for row, text in enumerate(self._table.columns.get(self._columns.get(called, ""), ())):
                if text.lower() in ("1", "true", "yes"):
                    flags[row] = flag
        return flags

    def _pairs_of_points(self) -> list[tuple[str, str, str]]:
        """Name, column of x and column of y of each point."""
        given = self._section.columns
        if given is not None:
            if len(given) % 2:
                raise InputError(f"{self._key}.columns of points are x and y of each in turn.")
            for column in given:
                self._table.column(column, f"{self._key}.columns")
            return [(x, x, y) for x, y in zip(given[::2], given[1::2], strict=True)]
        found: list[tuple[str, str, str]] = []
        for x in self._table.names:
            y = _COLUMN_OF_X.sub(lambda match: "Y" if match[0] == "X" else "y", x)
            if y != x and y in self._table.columns:
                found.append((_COLUMN_OF_X.sub("", x).strip("_-. ") or x, x, y))
        if not found:
            raise InputError(
                f"data.path: {self._table.path} has no columns of points; it has {self._table.listed}. They are called "
                f"NAME_x and NAME_y, or x0, y0, …; or named in turn: {self._key}.columns: [x, y, x, y, …]."
            )
        return found

    def _files(self) -> tuple[list[Path], Mapping[str, list[int]]]:
        """Every row's image, and the rows of each split."""
        files = [self._there(row, self._file) for row in range(len(self._table.lines))]
        line_of: dict[Path, int] = {}
        rows: dict[str, list[int]] = {}
        for row, file in enumerate(files):
            line = self._table.lines[row]
            if file in line_of:
                raise InputError(
                    f"{self._table.path} lists {file} twice, in lines {line_of[file]} and {line}; points and masks are "
                    "one an image."
                )
            line_of[file] = line
            rows.setdefault(self._split(row), []).append(row)
        return files, rows

    def _there(self, row: int, column: str) -> Path:
        file = self._table.columns[column][row]
        path = find_file(self._table, file) if file else None
        if path is None:
            root, line = self._table.path.parent, self._table.lines[row]
            raise InputError(
                f"{self._table.path}, line {line}: there is no file '{readable(file)}' in {root} or {root / 'images'}."
            )
        return path

    def _split(self, row: int) -> str:
        text = self._table.columns.get(SPLIT, [""] * len(self._table.lines))[row].lower()
        if text and text not in SPLIT_OF:
            line = self._table.lines[row]
            raise InputError(f"{self._table.path}, line {line}: unknown split '{text}'.{did_you_mean(text, SPLIT_OF)}")
        return SPLIT_OF[text or "train"]
