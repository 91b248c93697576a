"""What the sources that list files have in common: which files are examples, and the columns they make."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageFile

from pipeline.data import recordings
from pipeline.data.examples import Column
from pipeline.data.file_columns import AudioColumn, ImageColumn, Mode, mode_of
from pipeline.data.preprocess.choose import audio_of
from pipeline.errors import InputError, readable
from pipeline.recipe import Data

FileKind = Literal["image", "recording"]

CONVERSIONS = {
    **dict.fromkeys((".heic", ".heif"), "`magick in.heic out.png`"),
    **dict.fromkeys((".m4a", ".aac", ".wma", ".amr", ".mp4"), "`ffmpeg -i in.m4a out.wav`"),
}
"""Files that people take for readable, by suffix, and what makes of them some that are."""
_OF_THE_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"}
_KNOWN_BY_HEADER_ALONE = {"MPEG"}
_NAMED = 5


@cache
def image_suffixes() -> frozenset[str]:
    """Of the files that Pillow decodes with the plugins that are there, in small letters with the dot."""
    known = Image.registered_extensions()  # loads the plugins
    return frozenset(suffix for suffix, kind in known.items() if kind in Image.OPEN and _decodes(kind))


def _decodes(kind: str) -> bool:
    """Some plugins recognise a format and leave the decoding to others."""
    factory = Image.OPEN[kind][0]
    stub = isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)
    return not stub and kind not in _KNOWN_BY_HEADER_ALONE


def kind_of(name: str) -> FileKind | None:
    """What a file is by its name alone; None: neither an image nor a recording that can be read."""
    suffix = Path(name).suffix.lower()
    if suffix in image_suffixes():
        return "image"
    return "recording" if suffix in recordings.suffixes() else None


@dataclass(eq=False)
class NotTaken:
    """Files that lie among the examples and are none: counted by suffix, the first of each named."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, path: str) -> None:
        """Count a file, or a folder that is not looked into."""
        name = Path(path).name
        kind = "of the system" if is_of_the_system(name) else Path(name).suffix.lower() or "without a suffix"
        self.counts[kind] += 1
        self.first.setdefault(kind, path)

    def update(self, other: NotTaken) -> None:
        """Count what another one has counted too."""
        self.counts += other.counts
        self.first = other.first | self.first

    def __str__(self) -> str:
        """`3 .heic (photos/a.heic), 1 .txt (photos/notes.txt)`; empty where there are none."""
        listed = self.counts.most_common()
        shown = [f"{count} {kind} ({readable(self.first[kind])})" for kind, count in listed[:_NAMED]]
        rest = sum(count for _, count in listed[_NAMED:])
        return ", ".join([*shown, f"{rest} others"] if rest else shown)

    @property
    def remedy(self) -> str:
        """How those become readable, after a space; empty where nothing is known."""
        ways = dict.fromkeys(CONVERSIONS[kind] for kind in self.counts if kind in CONVERSIONS)
        return f" Convert those that should count: {', '.join(ways)}." if ways else ""

    def sentence(self, root: Path) -> str:
        """For a note."""
        count = self.counts.total()
        one = count == 1
        return (
            f"{count} {'file' if one else 'files'} in {readable(root)} {'is' if one else 'are'} no example: {self}."
            f"{self.remedy}"
        )


def examples_in(folder: Path, not_taken: NotTaken) -> Iterator[str]:
    """The images and recordings in a folder, however deep: by their suffixes, those of another suffix by their content.

    Args:
        folder: Where; what begins with a dot and what systems leave behind is not looked at.
        not_taken: Counts what is none.
    """
    for parent, folders, files in os.walk(folder):
        for name in [name for name in folders if is_of_the_system(name)]:
            folders.remove(name)
            not_taken.add(os.path.join(parent, name))  # noqa: PTH118 - a Path for each of a million files is slow
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118
            if not is_of_the_system(name) and (kind_of(name) or _kind_by_content(Path(path))):
                yield path
            else:
                not_taken.add(path)


def is_of_the_system(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems leave behind."""
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def _kind_by_content(path: Path) -> FileKind | None:
    if mode_of(path) is not None:
        return "image"
    return "recording" if recordings.is_recording(path) else None


def columns_of_files(
    name: str, root: Path, listing: Mapping[str, Sequence[str]], data: Data, *, channels: int | None
) -> dict[str, Column]:
    """One input's column of each split.

    Images are decoded to grey only where every one of them is, so that a few grey photos among colour ones have the
    others' shape; `channels` decides without looking at the files but the first, which says how deep all are.

    Args:
        name: The input's.
        root: The folder that files are relative to.
        listing: Split → files.
        data: Its `audio` counts here.
        channels: Of images, as the recipe says.

    Raises:
        InputError: images and recordings are mixed, or a file is neither by its name.
    """
    every = [file for files in listing.values() for file in files]
    kinds = {_kind(root, file): file for file in every}
    if len(kinds) > 1:
        raise InputError(f"data.path: {root} mixes images and recordings: {kinds['image']} and {kinds['recording']}.")
    if "recording" in kinds:
        rate = audio_of(name, data).sample_rate
        return {split: AudioColumn(root, files, rate) for split, files in listing.items()}
    mode = _mode(channels, (root / file for file in every))
    return {split: ImageColumn(root, files, mode) for split, files in listing.items()}


def _kind(root: Path, file: str) -> FileKind:
    found = kind_of(file) or _kind_by_content(root / file)
    if found is None:
        suffix = Path(file).suffix.lower()
        how = f" Convert it: {CONVERSIONS[suffix]}." if suffix in CONVERSIONS else ""
        raise InputError(f"{root}: {file} is neither an image nor a recording of a kind that can be read here.{how}")
    return found


def _mode(channels: int | None, paths: Iterable[Path]) -> Mode:
    found = (mode for mode in map(mode_of, paths) if mode is not None)
    first = next(found, "L")
    if first == "I":
        return "I"
    if channels is not None:
        return "L" if channels == 1 else "RGB"
    return "RGB" if first == "RGB" or "RGB" in found else "L"
