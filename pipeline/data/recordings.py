"""WAV files of any usual kind: 8, 16, 24 and 32 bit, float, one channel or several."""

from __future__ import annotations

import struct
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import Array

Waveform = NDArray[np.float32]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
_UNTIL_THE_END = 0xFFFF_FFFF  # what a program writes that did not know the length beforehand


def read(path: Path) -> tuple[Waveform, int]:
    """The samples, float32 [samples, channels] in −1..1, and the sample rate in Hz.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no WAV file, is cut off, or of a kind that is not known.
    """
    content = path.read_bytes()
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("it is not a WAV file")
    form: tuple[int, int, int, int] | None = None
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt ":
            form = _format(content[place : place + size])
        elif name == b"data":
            if form is None:
                raise ValueError("its samples come before their format")
            return _samples(content, place, size, form), form[2]
        place += size + size % 2
    raise ValueError("it is cut off before its samples" if form else "it has no samples")


def _format(chunk: bytes) -> tuple[int, int, int, int]:
    """Coding, channels, rate, bits."""
    if len(chunk) < 16:
        raise ValueError("it is cut off in its header")
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if coding == EXTENSIBLE and len(chunk) >= 26:
        (coding,) = struct.unpack_from("<H", chunk, 24)
    if not channels or not rate:
        raise ValueError(f"its header says {channels} channels at {rate} Hz")
    if (coding, bits) not in {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}:
        raise ValueError(f"it is coded as format {coding} with {bits} bits; PCM and float can be read")
    return coding, channels, rate, bits


def _samples(content: bytes, start: int, size: int, form: tuple[int, int, int, int]) -> Waveform:
    coding, channels, _, bits = form
    there = len(content) - start
    if size == _UNTIL_THE_END:
        size = there
    if size > there:
        raise ValueError(f"it is cut off: its header promises {size} bytes of samples, {there} are there")
    frame = channels * bits // 8
    data = memoryview(content)[start : start + size - size % frame]
    if not len(data):
        raise ValueError("it has no samples")
    if bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        stored: Array = wide.view("<i4")[:, 0]  # the lowest byte is 0: the range of 32 bits
    else:
        stored = np.frombuffer(data, f"<f{bits // 8}" if coding == FLOAT else "u1" if bits == 8 else f"<i{bits // 8}")
    return as_float(stored).reshape(-1, channels)


def as_float(samples: Array) -> Waveform:
    """Samples as float32; whole numbers by their type's range as −1..1, with uint8's silence at 128."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype.kind not in "iu":
        raise ValueError(f"samples must be numbers, not {samples.dtype}")
    full = np.float64(2) ** (8 * samples.dtype.itemsize - 1)
    offset = full if samples.dtype.kind == "u" else 0
    return ((samples.astype(np.float64) - offset) / full).astype(np.float32)


def resampled(waveform: Array, rate: int, wanted: int) -> Waveform:
    """A waveform [samples] at another rate in Hz, by SciPy's polyphase filter."""
    if rate == wanted:
        return waveform.astype(np.float32, copy=False)
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return np.asarray(resample_poly(waveform, wanted // common, rate // common), np.float32)
