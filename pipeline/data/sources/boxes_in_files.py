"""What the sources of annotated image files have in common: images found and measured, classes numbered, boxes turned
as their images are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.boxes import AREA, CLASS, COLUMNS, FLAG
from pipeline.data import fingerprint
from pipeline.data.annotations.annotated import AnnotatedImage
from pipeline.data.labels import order_classes
from pipeline.data.read_located import StoredBoxes
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.file_lists import columns_of_files, image_suffixes
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.errors import InputError, readable
from pipeline.recipe import Data, Input
from pipeline.tensors import INPUT, TARGET

_NAMED = 3
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""


@dataclass(frozen=True)
class Pair:
    """An image file and what is said of it."""

    image: Path
    annotated: AnnotatedImage


@dataclass(eq=False)
class Images:
    """Finds the images of annotations. Those that are not there are refused, or with `on_corrupt: skip` counted."""

    data: Data
    missing: list[tuple[str, str]] = field(default_factory=list)
    _names: dict[Path, dict[str, str]] = field(default_factory=dict)

    def beside(self, folders: Sequence[Path], stem: str) -> Path | None:
        """The image of this name without its extension in the first folder that has one."""
        for folder in folders:
            name = self._by_stem(folder).get(stem)
            if name is not None:
                return folder / name
        return None

    def count_missing(self, where: str, file: str) -> None:
        """
        Args:
            where: The annotation.
            file: The image that it names.
        """
        self.missing.append((where, file))

    def notes(self) -> tuple[str, ...]:
        """
        Raises:
            InputError: some are not there, and are to be refused.
        """
        if not self.missing:
            return ()
        count = len(self.missing)
        first = ", ".join(f"{readable(file)} ({readable(where)})" for where, file in self.missing[:_NAMED])
        more = ", …" if count > _NAMED else ""
        what = "image is" if count == 1 else "images are"
        if self.data.on_corrupt == "fail":
            raise InputError(
                f"data.path: {count:,} annotated {what} not there: {first}{more}. Add them or remove their "
                "annotations, or leave them out with `--set data.on_corrupt=skip`."
            )
        return (f"{count:,} annotated {what} not there and left out: {first}{more}.",)

    def _by_stem(self, folder: Path) -> dict[str, str]:
        """Name without extension → name of the images in a folder."""
        if folder not in self._names:
            suffixes = image_suffixes()
            names = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
            self._names[folder] = {
                Path(name).stem: name for name in names if Path(name).suffix.lower() in suffixes and name[0] != "."
            }
        return self._names[folder]


@dataclass(frozen=True)
class Header:
    """What an image file says of itself.

    Attributes:
        stored: [height, width] as it is stored.
        orientation: EXIF's, 1 to 8.
    """

    stored: tuple[int, int]
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """[height, width] as it is shown, and read."""
        return (self.stored[1], self.stored[0]) if self.orientation in _TURNED else self.stored


def header_of(path: Path) -> Header | None:
    """None: it cannot be read, which whoever reads the image says."""
    try:
        with Image.open(path) as image:
            orientation = image.getexif().get(_ORIENTATION, 1)
            return Header((image.height, image.width), orientation if orientation in range(1, 9) else 1)
    except Exception:  # Pillow's decoders raise nearly anything on a broken file
        return None


def source_of_boxes(
    pairs: Mapping[str, Sequence[Pair]],
    native: Sequence[str] | None,
    data: Data,
    names: tuple[str, ...] | None,
    images: Images,
    *,
    shares: bool = False,
) -> Source:
    """Make a source of images with boxes.

    Args:
        pairs: By split.
        native: The classes in the order of the format, which labels that are indices count in; None: numbered by name.
        data: The recipe's section.
        names: The names in `data.labels`.
        images: That found them.
        shares: The boxes' numbers are shares of the upright image's sides, not pixels.

    Raises:
        InputError: images are missing or listed twice, of another size than stated, a class is not known, or a box does
            not lie in its image.
    """
    notes = images.notes()
    _check_unique(pairs)
    every = [pair for listed in pairs.values() for pair in listed]
    if not every:
        raise InputError(f"data.path: {data.path} has no annotated images.")
    labels = [box.label for pair in every for box in pair.annotated.boxes if isinstance(box.label, str)]
    class_names, index_of = order_classes(native if native is not None else labels, names, ordered=native is not None)
    if not class_names:
        raise InputError(
            f"data.path: none of the {len(every)} images has a box, and nothing names the classes. Give a file with "
            "one class name a line: `--set data.labels=…`."
        )
    numbers = [index_of[name] for name in native] if native is not None else []
    root = Path(os.path.commonpath([pair.image.parent for pair in every]))
    headers = {split: [header_of(pair.image) for pair in listed] for split, listed in pairs.items()}
    stored: dict[str, StoredBoxes] = {}
    for split, listed in pairs.items():
        entries = [
            _rows(pair.annotated, header, index_of, numbers, shares)
            for pair, header in zip(listed, headers[split], strict=True)
        ]
        sizes = [header.upright if header is not None else (np.nan, np.nan) for header in headers[split]]
        stored[split] = StoredBoxes(entries, np.array(sizes, np.float64).reshape(-1, 2), _namer(listed))
    name, section = next(iter((data.inputs or {INPUT: Input()}).items()))
    files = {split: [os.path.relpath(pair.image, root) for pair in listed] for split, listed in pairs.items()}
    channels = (section.preprocess or data.preprocess).channels
    columns = columns_of_files(name, root, files, data, channels=channels)
    found = {split: Found({INPUT: column}, {TARGET: stored[split]}) for split, column in columns.items()}
    digest = fingerprint.of_files(
        root,
        {
            split: ([[file] for file in listed], [entry.tolist() for entry in stored[split].entries])
            for split, listed in files.items()
        },
    )
    known = {TARGET: KnownTarget("boxes", class_names)}
    return assemble(found, data, None, known, digest, notes)


def _namer(listed: Sequence[Pair]) -> Callable[[int, int], str]:
    def name(example: int, row: int) -> str:
        annotated = listed[example].annotated
        return f"{annotated.where}, {annotated.boxes[row].where}"

    return name


def _check_unique(pairs: Mapping[str, Sequence[Pair]]) -> None:
    seen: dict[Path, str] = {}
    for listed in pairs.values():
        for pair in listed:
            if pair.image in seen:
                raise InputError(
                    f"The image {pair.image} is annotated twice, by {seen[pair.image]} and by {pair.annotated.where}: "
                    "it could end up in two splits. Remove one of them."
                )
            seen[pair.image] = pair.annotated.where


def _rows(
    annotated: AnnotatedImage,
    header: Header | None,
    index_of: Mapping[str, int],
    numbers: Sequence[int],
    shares: bool,
) -> NDArray[np.float64]:
    """[n, 7] as of :mod:`pipeline.boxes`, in pixels of the upright image."""
    rows = np.zeros((len(annotated.boxes), COLUMNS))
    for row, box in zip(rows, annotated.boxes, strict=True):
        row[:CLASS] = box[:CLASS]
        row[CLASS] = index_of[box.label] if isinstance(box.label, str) else numbers[box.label]
        row[FLAG], row[AREA] = box.flag, box.area
    if header is None or not len(rows):
        return rows
    if shares:
        rows[:, :CLASS] *= np.array([*header.upright, *header.upright])
        return rows
    stated = annotated.size
    if stated is not None and stated != header.upright:
        if stated != header.stored:
            raise InputError(
                f"{annotated.where} is of an image of {stated[0]} x {stated[1]} pixels (height x width), and "
                f"{annotated.file} has {header.upright[0]} x {header.upright[1]}. Scale the boxes to the image, or "
                "give the image that they were drawn on."
            )
        rows[:, :CLASS] = turned(rows[:, :CLASS], header)
    return rows


def turned(boxes: NDArray[np.float64], header: Header) -> NDArray[np.float64]:
    """Boxes that were drawn on an image as it is stored, where they lie in the upright one.

    Args:
        boxes: [n, 4] y_min, x_min, y_max, x_max in pixels.
        header: The image's.
    """
    height, width = header.stored
    points = boxes.reshape(-1, 2, 2)
    y, x = points[..., 0], points[..., 1]
    y, x = {
        1: (y, x),
        2: (y, width - x),
        3: (height - y, width - x),
        4: (height - y, x),
        5: (x, y),
        6: (x, height - y),
        7: (width - x, height - y),
        8: (width - x, y),
    }[header.orientation]
    corners = np.stack([y, x], axis=-1)
    # A box whose corners are exchanged was so before: the turning keeps which of its sides are reversed.
    reversed_sides = (points[:, 1] < points[:, 0])[:, :: -1 if header.orientation in _TURNED else 1]
    low, high = corners.min(axis=1), corners.max(axis=1)
    first, second = np.where(reversed_sides, high, low), np.where(reversed_sides, low, high)
    return np.concatenate([first, second], axis=1)
