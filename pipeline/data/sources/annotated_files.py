"""What the sources of annotated image files have in common: images found and measured, classes numbered, boxes, masks
and points turned as their images are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import AREA, CLASS, COLUMNS, FLAG
from pipeline.data import fingerprint
from pipeline.data.annotations.annotated import AnnotatedImage, Box
from pipeline.data.annotations.outlines import drawn
from pipeline.data.labels import order_classes
from pipeline.data.read_located import StoredBoxes, StoredMasks
from pipeline.data.sources.annotated_images import TURNED, Header, Images, header_of, turned, upright
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.file_lists import columns_of_files
from pipeline.data.sources.source import SPLIT_OF, KnownTarget, Source
from pipeline.errors import InputError
from pipeline.recipe import Data, Input, TargetKind
from pipeline.tensors import INPUT, TARGET, Array

SPLIT_NAMES = {**SPLIT_OF, "valid": "validation", "training": "train", "testing": "test"}
"""The split that a folder or a file of annotations means by its name."""
BACKGROUND = "background"
"""Class 0 of masks that are drawn from outlines."""
_NAMED = 3


@dataclass(frozen=True)
class Pair:
    """An image file and what is said of it."""

    image: Path
    annotated: AnnotatedImage


@dataclass(frozen=True)
class Classes:
    """What the annotations call their classes.

    Attributes:
        native: In the order of the format, which labels that are indices count in; None: numbered by name.
        point_names: Of points.
    """

    native: tuple[str, ...] | None = None
    point_names: tuple[str, ...] = ()


def kind_asked(data: Data, offered: Sequence[TargetKind]) -> TargetKind:
    """What the recipe wants to know of annotated images: the kind of its one target, boxes by default.

    Raises:
        InputError: the source does not offer it, or several targets are asked for.
    """
    sections = [section for section in (data.targets or {}).values() if section.copy_of is None]
    if len(sections) > 1:
        raise InputError(f"data.targets: source '{data.source}' has one target, and the recipe names {len(sections)}.")
    kind = sections[0].kind if sections else None
    if kind is not None and kind not in offered:
        name = next(name for name, section in (data.targets or {}).items() if section.kind == kind)
        raise InputError(
            f"data.targets.{name}.kind: source '{data.source}' has {' or '.join(offered)}, not {kind}. Set it to that, "
            "or leave it out."
        )
    return kind or offered[0]


def sets_of(folder: Path) -> dict[str, list[str]]:
    """Split → names of images, as the text files of Pascal VOC's ImageSets list them; `trainval` counts where there is
    no `train`.

    Raises:
        InputError: a list cannot be read, or has an image that another one has.
    """
    listed = {path.stem: path for path in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}
    if "train" not in listed and "trainval" in listed:
        listed["train"] = listed.pop("trainval")
    found: dict[str, list[str]] = {}
    split_of: dict[str, str] = {}
    for stem, path in listed.items():
        if stem not in SPLIT_OF:
            continue
        split = SPLIT_OF[stem]
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as a text file: {error}.") from error
        found[split] = [line.split()[0] for line in lines if line.strip()]
        for name in found[split]:
            if name in split_of:
                where = f"in {split_of[name]} and in {split}" if split_of[name] != split else f"twice in {split}"
                raise InputError(f"{folder} lists {name} {where}. Remove one of them.")
            split_of[name] = split
    return found


def source_of_annotated(
    pairs: Mapping[str, Sequence[Pair]],
    classes: Classes,
    data: Data,
    names: tuple[str, ...] | None,
    images: Images,
    *,
    kind: TargetKind = "boxes",
    shares: bool = False,
) -> Source:
    """Make a source of images with boxes, with masks drawn from their objects' outlines, or with one object's points.

    Args:
        pairs: By split.
        classes: What they are called.
        data: The recipe's section.
        names: The names in `data.labels`.
        images: That found them.
        kind: What of the annotations is the target.
        shares: The annotations' numbers are shares of the upright image's sides, not pixels.

    Raises:
        InputError: images are missing or listed twice, of another size than stated, a class is not known, or an
            annotation lacks what the kind needs.
    """
    notes = images.notes()
    _check_unique(pairs)
    every = [pair for listed in pairs.values() for pair in listed]
    if not every:
        raise InputError(" ".join((f"data.path: {data.path} has no annotated images.", *notes)))
    if kind == "points":
        pairs, told = _one_object(pairs, data)
        notes += told
    numbering = _numbering(every, classes, data, names if kind != "mask" else _without_background(names))
    measured = {
        split: [_Measured(pair, header_of(pair.image), numbering, shares) for pair in listed]
        for split, listed in pairs.items()
    }
    targets: dict[str, Any] = {}
    for split, listed in measured.items():
        if kind == "boxes":
            sizes = [one.header.upright if one.header is not None else (np.nan, np.nan) for one in listed]
            entries = [one.rows() for one in listed]
            targets[split] = StoredBoxes(entries, np.array(sizes, np.float64).reshape(-1, 2), _namer(listed))
        elif kind == "mask":
            targets[split] = StoredMasks(partial(_mask, listed), len(listed))
        else:
            targets[split] = _points(listed)
    class_names = {
        "boxes": numbering.names,
        "mask": (BACKGROUND, *numbering.names),
        "points": names or classes.point_names,
    }[kind]
    known = {TARGET: KnownTarget(kind, class_names)}
    told_files = {split: [one.pair.image for one in listed] for split, listed in measured.items()}
    said = {split: [one.said() for one in listed] for split, listed in measured.items()}
    return source_of_files(told_files, targets, said, data, known, notes)


def source_of_files(
    files: Mapping[str, Sequence[Path]],
    targets: Mapping[str, Any],
    said: Mapping[str, Sequence[object]],
    data: Data,
    known: Mapping[str, KnownTarget],
    notes: tuple[str, ...],
    beside: Mapping[str, Sequence[Sequence[Path]]] | None = None,
) -> Source:
    """Make a source of image files and one target.

    Args:
        files: By split.
        targets: Split → the target, an entry an example.
        said: Split → all that is known of each example, for the fingerprint.
        data: The recipe's section.
        known: What is known of the target.
        notes: What should be told.
        beside: Split → the files that each example's target is read from.
    """
    name, section = next(iter((data.inputs or {INPUT: Input()}).items()))
    other = [path for listed in (beside or {}).values() for paths in listed for path in paths]
    root = Path(os.path.commonpath([path.parent for listed in files.values() for path in (*listed, *other)]))
    relative = {split: [os.path.relpath(path, root) for path in listed] for split, listed in files.items()}
    channels = (section.preprocess or data.preprocess).channels
    columns = columns_of_files(name, root, relative, data, channels=channels)
    found = {split: Found({INPUT: column}, {TARGET: targets[split]}) for split, column in columns.items()}
    of_examples = {
        split: (
            [
                [file, *(os.path.relpath(path, root) for path in (beside[split][place] if beside else ()))]
                for place, file in enumerate(listed)
            ],
            said[split],
        )
        for split, listed in relative.items()
    }
    return assemble(found, data, None, known, fingerprint.of_files(root, of_examples), notes)


@dataclass(frozen=True)
class _Numbering:
    names: tuple[str, ...]
    index_of: Mapping[str, int]
    native: tuple[str, ...]

    def of(self, box: Box) -> int:
        return self.index_of[box.label if isinstance(box.label, str) else self.native[box.label]]


def _numbering(every: Sequence[Pair], classes: Classes, data: Data, names: tuple[str, ...] | None) -> _Numbering:
    native = classes.native
    found = [box.label for pair in every for box in pair.annotated.boxes if isinstance(box.label, str)]
    ordered, index_of = order_classes(native if native is not None else found, names, ordered=native is not None)
    if not ordered:
        raise InputError(
            f"data.path: none of the {len(every)} images has a box, and nothing names the classes. Give a file with "
            "one class name a line: `--set data.labels=…`."
        )
    for pair in every:
        for box in pair.annotated.boxes:
            if native is not None and isinstance(box.label, int) and box.label >= len(native):
                raise InputError(
                    f"{pair.annotated.where}, {box.where} has the class {box.label}, and there are {len(native)} "
                    f"classes, 0 to {len(native) - 1}. Correct it, or name every class."
                )
    return _Numbering(ordered, index_of, native or ())


def _without_background(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Names of a model or of `data.labels` may begin with that of class 0 of masks."""
    return names[1:] if names and names[0] == BACKGROUND else names


def _one_object(pairs: Mapping[str, Sequence[Pair]], data: Data) -> tuple[dict[str, list[Pair]], tuple[str, ...]]:
    """The images of one object that has points, or of none."""
    kept: dict[str, list[Pair]] = {split: [] for split in pairs}
    several: list[str] = []
    for split, listed in pairs.items():
        for pair in listed:
            with_points = [box for box in pair.annotated.boxes if any(seen for _, _, seen in box.points)]
            if len(with_points) > 1:
                several.append(f"{pair.annotated.file} ({len(with_points)})")
            else:
                kept[split].append(Pair(pair.image, replace(pair.annotated, boxes=with_points)))
    if not several:
        return kept, ()
    named = f"{', '.join(several[:_NAMED])}{', …' if len(several) > _NAMED else ''}"
    if data.on_corrupt == "fail":
        raise InputError(
            f"data.path: {len(several):,} images have several objects with points, and the kind points takes one an "
            f"image: {named}. Cut the objects out, or leave these images out with `--set data.on_corrupt=skip`."
        )
    return kept, (f"{len(several):,} images with several objects that have points were left out: {named}.",)


def _points(listed: Sequence[_Measured]) -> NDArray[np.float32]:
    """[N, K, 3], y, x and visibility in pixels of the upright images."""
    counts = {len(box.points): one for one in listed for box in one.pair.annotated.boxes}
    if len(counts) > 1:
        first, second = [f"{count} ({one.pair.annotated.file})" for count, one in counts.items()][:2]
        raise InputError(f"data.path: objects have different numbers of points, {first} and {second}.")
    if not counts:
        raise InputError("data.path: no image has an object with points, as the kind points needs.")
    points = np.zeros((len(listed), next(iter(counts)), 3), np.float32)
    for row, one in zip(points, listed, strict=True):
        for box in one.pair.annotated.boxes:
            stored = np.array(box.points, np.float64)
            row[:, :2], row[:, 2] = one.upright(stored[:, :2]), stored[:, 2]
    return points


def _mask(listed: Sequence[_Measured], index: int) -> Array:
    return listed[index].mask()


def _namer(listed: Sequence[_Measured]) -> Callable[[int, int], str]:
    def name(example: int, row: int) -> str:
        annotated = listed[example].pair.annotated
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


@dataclass(frozen=True)
class _Measured:
    """An annotated image whose file was looked at.

    Attributes:
        pair: The image and what is said of it.
        header: The file's; None where it cannot be read.
        numbering: Of the classes.
        shares: The annotation's numbers are shares.
    """

    pair: Pair
    header: Header | None
    numbering: _Numbering
    shares: bool

    def said(self) -> list[object]:
        """All that the annotation says, with the classes' numbers."""
        return [(box[:4], self.numbering.of(box), box[5:7], box[8:]) for box in self.pair.annotated.boxes]

    def rows(self) -> NDArray[np.float64]:
        """Boxes [n, 7] as of :mod:`pipeline.boxes`, in pixels of the upright image."""
        boxes = self.pair.annotated.boxes
        rows = np.zeros((len(boxes), COLUMNS))
        for row, box in zip(rows, boxes, strict=True):
            row[:CLASS] = box[:CLASS]
            row[CLASS], row[FLAG], row[AREA] = self.numbering.of(box), box.flag, box.area
        corners = rows[:, :CLASS].reshape(-1, 2, 2)
        moved = self.upright(corners)
        # A box whose corners are exchanged stays so, whatever its image is turned by.
        was = corners[:, 1] < corners[:, 0]
        was = was[:, ::-1] if self._turns and self._orientation in TURNED else was
        low, high = moved.min(axis=1), moved.max(axis=1)
        rows[:, :CLASS] = np.concatenate([np.where(was, high, low), np.where(was, low, high)], axis=1)
        return rows

    def mask(self) -> Array:
        """Of the upright image: 0, or the class and 1 more.

        Raises:
            ValueError: an object has no outline, or one that cannot be drawn.
        """
        assert self.header is not None  # who reads a mask has read its image
        boxes = self.pair.annotated.boxes
        missing = next((box for box in boxes if box.outline is None), None)
        if missing is not None:
            raise ValueError(f"{self.pair.annotated.where}, {missing.where} has no outline, only a box")
        turns = self._turns
        size = self.header.stored if turns else self.header.upright
        objects = [(self.numbering.of(box) + 1, box.outline) for box in boxes if box.outline is not None]
        mask = drawn(objects, size, self.shares)
        return upright(mask, self._orientation) if turns else mask

    def upright(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(y, x) [..., 2] as they are written → in pixels of the upright image."""
        if self.header is None:
            return points
        if self.shares:
            return np.asarray(points * np.array(self.header.upright))
        return turned(points, self.header) if self._turns else points

    @property
    def _orientation(self) -> int:
        return 1 if self.header is None else self.header.orientation

    @property
    def _turns(self) -> bool:
        """Whether the annotation was made on the image as it is stored, by the size that it states.

        Raises:
            InputError: it is of another size than either.
        """
        stated, header, annotated = self.pair.annotated.size, self.header, self.pair.annotated
        if stated is None or header is None or self.shares or stated == header.upright:
            return False
        if stated != header.stored:
            raise InputError(
                f"{annotated.where} is of an image of {stated[0]} x {stated[1]} pixels (height x width), and "
                f"{annotated.file} has {header.upright[0]} x {header.upright[1]}. Scale the boxes to the image, or "
                "give the image that they were drawn on."
            )
        return True
