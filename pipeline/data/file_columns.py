"""Columns of files: images and recordings, decoded when they are read."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline import limits
from pipeline.data import recordings
from pipeline.data.examples import ColumnKind, CorruptExampleError
from pipeline.errors import one_line, readable
from pipeline.tensors import Array

Mode = Literal["L", "RGB", "I"]
"""Pillow's names for what an image file is decoded to: grey (one channel) or RGB (three) of 8 bits; or `I`, one channel
of more bits, with the values that are stored."""

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_SIXTEEN_BITS_A_CHANNEL = re.compile(r"(L|LA|RGB|RGBA|RGBX|CMYK)\w*;16[BLN]")


warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # `decode` refuses what it is about


class ImageColumn:
    """Image files, decoded on access with their EXIF orientation applied.

    Args:
        root: The folder that `files` are relative to.
        files: One an example.
        mode: `L` decodes to uint8 [H, W, 1], `RGB` to uint8 [H, W, 3], `I` to [H, W, 1] of the file's own type.
    """

    kind: ColumnKind = "image"
    names: tuple[str, ...] = ()
    arrays: None = None

    def __init__(self, root: Path, files: Sequence[str], mode: Mode) -> None:
        self._root = root
        self._files = files
        self._mode: Mode = mode

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Array:
        path = self._root / self._files[index]
        try:
            return decode(path, self._mode)
        except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
            raise CorruptExampleError(self.where(index), _reason(path, error)) from error

    def where(self, index: int) -> str:
        return readable(self._root / self._files[index])


class AudioColumn:
    """Recordings in files, read on access as one channel at one sample rate: float32 [samples] in −1..1.

    Args:
        root: The folder that `files` are relative to.
        files: One an example.
        sample_rate: In Hz; files of another rate are resampled, several channels averaged.
    """

    kind: ColumnKind = "audio"
    names: tuple[str, ...] = ()
    arrays: None = None

    def __init__(self, root: Path, files: Sequence[str], sample_rate: int) -> None:
        self._root = root
        self._files = files
        self._sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Array:
        try:
            waveform, rate = recordings.read(self._root / self._files[index])
            return recordings.resampled(waveform.mean(axis=1), rate, self._sample_rate)
        except (OSError, ValueError) as error:
            raise CorruptExampleError(self.where(index), str(error)) from error

    def where(self, index: int) -> str:
        return readable(self._root / self._files[index])


class WaveformColumn:
    """Recordings in an array, read as :class:`AudioColumn` reads files.

    Args:
        waveforms: [N, samples]; whole numbers are scaled by their type's range to −1..1.
        name: What the array is called in messages.
        rate: Theirs, in Hz.
        sample_rate: The one wanted.
    """

    kind: ColumnKind = "audio"
    names: tuple[str, ...] = ()

    def __init__(self, waveforms: Array, name: str, rate: int, sample_rate: int) -> None:
        self._waveforms = waveforms
        self._name = name
        self._rates = rate, sample_rate

    @property
    def arrays(self) -> tuple[Array, ...]:
        return (self._waveforms,)

    def __len__(self) -> int:
        return len(self._waveforms)

    def __getitem__(self, index: int) -> Array:
        return recordings.resampled(recordings.as_float(np.asarray(self._waveforms[index])), *self._rates)

    def where(self, index: int) -> str:
        return f"{self._name}[{index}]"


def decode(path: Path, mode: Mode) -> Array:
    """The pixels of an image file, upright: uint8 [H, W, 1] (`L`) or [H, W, 3] (`RGB`), or as stored [H, W, 1] (`I`).

    Of an animation it is the first frame; transparency is dropped; palettes and CMYK become RGB.

    Raises:
        ValueError: it has more pixels than `limits.IMAGE_PIXELS`, more bits a channel than `mode` keeps, or fewer than
            the other images.
        Exception: whatever Pillow raises.
    """
    with Image.open(path) as opened:
        _check_pixels(opened.width * opened.height)
        _check_depth(opened, mode)
        image: Image.Image = ImageOps.exif_transpose(opened)
        pixels = np.asarray(image if mode == "I" else image.convert(mode))
    if mode == "I":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return pixels if mode == "RGB" else pixels[..., None]


def mode_of(path: Path) -> Mode | None:
    """What keeps all that an image file stores, by its header; None: it is no image."""
    try:
        with Image.open(path) as image:
            return "L" if image.mode in GREY_MODES else "I" if image.mode in DEEP_MODES else "RGB"
    except Exception:  # it will be reported, or skipped, when it is read
        return None


def _check_pixels(count: int) -> None:
    if count > limits.IMAGE_PIXELS:
        raise ValueError(f"it has {count:,} pixels, and at most {limits.IMAGE_PIXELS:,} are read. Make it smaller")


def _check_depth(image: Image.Image, mode: Mode) -> None:
    deep = image.mode in DEEP_MODES
    if deep and mode != "I":
        raise ValueError(
            f"it has more than 8 bits a pixel (Pillow's mode {image.mode}) where other images have 8; all need the same"
        )
    if mode == "I" and not deep:
        raise ValueError("it has 8 bits a channel where other images have more; all need the same")
    if not deep and _loses_bits(image):
        raise ValueError(
            "it has 16 bits in each of several channels, and Pillow reads 8 of them. Convert it to 8 bits, or give "
            "such images as arrays, in an NPZ file"
        )


def _loses_bits(image: Image.Image) -> bool:
    """Whether Pillow's decoder takes two bytes a channel and keeps one."""
    for tile in getattr(image, "tile", ()):
        name, arguments = tile[0], tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if name == "ppm" and any(isinstance(value, int) and value > 255 for value in arguments):
            return True
        if any(isinstance(value, str) and _SIXTEEN_BITS_A_CHANNEL.fullmatch(value) for value in arguments):
            return True
    return False


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "cannot identify image file: Pillow reads none of its kind" if path.stat().st_size else "it is empty"
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {limits.IMAGE_PIXELS:,} pixels, and no more are read. Make it smaller"
    return one_line(error, 300) or type(error).__name__
