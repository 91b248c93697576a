"""Columns of files: images and recordings, decoded when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.data import wav
from pipeline.data.examples import ColumnKind, CorruptExampleError
from pipeline.tensors import Array

Mode = Literal["L", "RGB"]
"""Pillow's names for what an image file is decoded to: grey (one channel) or RGB (three)."""

GREY_MODES = ("1", "L", "LA", "I;16")


class ImageColumn:
    """Image files, decoded on access with their EXIF orientation applied.

    Args:
        root: The folder that `files` are relative to.
        files: One an example.
        mode: `L` decodes to uint8 [H, W, 1], `RGB` to uint8 [H, W, 3].
    """

    kind: ColumnKind = "image"
    names: tuple[str, ...] = ()

    def __init__(self, root: Path, files: Sequence[str], mode: Mode) -> None:
        self._root = root
        self._files = files
        self._mode: Mode = mode

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Array:
        try:
            return decode(self._root / self._files[index], self._mode)
        except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
            raise CorruptExampleError(self.where(index), str(error) or type(error).__name__) from error

    def where(self, index: int) -> str:
        return str(self._root / self._files[index])


class AudioColumn:
    """WAV files, read on access as one channel at one sample rate: float32 [samples] in −1..1.

    Args:
        root: The folder that `files` are relative to.
        files: One an example.
        sample_rate: In Hz; files of another rate are resampled, several channels averaged.
    """

    kind: ColumnKind = "audio"
    names: tuple[str, ...] = ()

    def __init__(self, root: Path, files: Sequence[str], sample_rate: int) -> None:
        self._root = root
        self._files = files
        self._sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Array:
        try:
            waveform, rate = wav.read(self._root / self._files[index])
        except (OSError, ValueError) as error:
            raise CorruptExampleError(self.where(index), str(error)) from error
        return wav.resampled(waveform.mean(axis=1), rate, self._sample_rate)

    def where(self, index: int) -> str:
        return str(self._root / self._files[index])


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

    def __len__(self) -> int:
        return len(self._waveforms)

    def __getitem__(self, index: int) -> Array:
        return wav.resampled(wav.as_float(np.asarray(self._waveforms[index])), *self._rates)

    def where(self, index: int) -> str:
        return f"{self._name}[{index}]"


def decode(path: Path, mode: Mode) -> NDArray[np.uint8]:
    """The pixels of an image file, upright, uint8 [H, W, 1] (`L`) or [H, W, 3] (`RGB`).

    Of an animation it is the first frame; transparency is dropped. Raises whatever Pillow raises.
    """
    with Image.open(path) as opened:
        image: Image.Image = ImageOps.exif_transpose(opened)
        if image.mode == "I;16":  # Pillow would clip at 255 instead of scaling
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        pixels = np.asarray(image.convert(mode))
    return pixels[..., None] if mode == "L" else pixels


def is_grey(path: Path) -> bool:
    """Whether an image file stores one channel, by its header. A file that is no image counts as grey."""
    try:
        with Image.open(path) as image:
            return image.mode in GREY_MODES
    except Exception:  # it will be reported, or skipped, when it is read
        return True
