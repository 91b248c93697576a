"""The image files that annotations are about: found, measured by their headers, and turned upright."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.sources.file_lists import image_suffixes
from pipeline.errors import InputError, readable
from pipeline.recipe import Data
from pipeline.tensors import Array

_NAMED = 3
_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
TURNED = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""


@dataclass(eq=False)
class Images:
    """Finds the images of annotations. Those that are not there are refused, or with `on_corrupt: skip` counted."""

    data: Data
    missing: list[tuple[str, str]] = field(default_factory=list)
    _helped: Path | None = None
    _names: dict[Path, dict[str, str]] = field(default_factory=dict)

    def beside(self, folders: Sequence[Path], stem: str) -> Path | None:
        """The image of this name without its extension in the first folder that has one."""
        for folder in folders:
            name = self._by_stem(folder).get(stem)
            if name is not None:
                return folder / name
        return None

    def named(self, folders: Sequence[Path], name: str) -> Path | None:
        """The image of this name in the first folder that has it; they are tried in the order in which they helped."""
        tried = sorted(folders, key=lambda folder: folder != self._helped)
        found = next((folder / name for folder in tried if (folder / name).is_file()), None)
        if found is not None:
            self._helped = Path(str(found)[: -len(name) - 1])
        return found

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
        return (self.stored[1], self.stored[0]) if self.orientation in TURNED else self.stored


def header_of(path: Path) -> Header | None:
    """None: it cannot be read, which whoever reads the image says."""
    try:
        with Image.open(path) as image:
            # Pillow decodes a whole PNG to see whether one stands behind its pixels.
            told = image.format != "PNG" or _may_be_turned(path)
            orientation = image.getexif().get(_ORIENTATION, 1) if told else 1
            return Header((image.height, image.width), orientation if orientation in range(1, 9) else 1)
    except Exception:  # Pillow's decoders raise nearly anything on a broken file
        return None


def size_of(path: Path) -> tuple[int, int] | None:
    """[height, width] of an image file as it is stored; None: it cannot be read."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except Exception:  # as above
        return None


def _may_be_turned(path: Path) -> bool:
    """Whether a PNG file has a chunk that may hold an EXIF orientation: EXIF itself, or text (XMP, raw profiles)."""
    with path.open("rb") as file:
        file.seek(len(_PNG))
        while len(start := file.read(8)) == 8:
            if start[4:] in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            file.seek(int.from_bytes(start[:4], "big") + 4, os.SEEK_CUR)
    return False


def turned(points: NDArray[np.float64], header: Header) -> NDArray[np.float64]:
    """Points of an image as it is stored, where they lie in the upright one.

    Args:
        points: (y, x) in pixels, [..., 2].
        header: The image's.
    """
    height, width = header.stored
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
    return np.stack([y, x], axis=-1)


def upright(mask: Array, orientation: int) -> Array:
    """A mask [H, W] of an image as it is stored, turned as the image is to be upright."""
    return {
        1: mask,
        2: mask[:, ::-1],
        3: mask[::-1, ::-1],
        4: mask[::-1],
        5: mask.T,
        6: np.rot90(mask, -1),
        7: np.rot90(mask, 2).T,
        8: np.rot90(mask, 1),
    }[orientation]
