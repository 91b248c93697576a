"""Recordings: WAV, FLAC, OGG, MP3 and what else libsndfile reads, as samples in −1..1."""

from __future__ import annotations

import os
import re
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import limits
from pipeline.tensors import Array

Waveform = NDArray[np.float32]

_SUFFIXES = {".wave": "WAV", ".aif": "AIFF", ".aifc": "AIFF", ".snd": "AU", ".oga": "OGG", ".opus": "OGG"}
"""The common ones that are not their format's name."""
_NO_RECORDINGS = {"RAW", "MAT4", "MAT5", "SD2", "SDS", "XI", "SVX", "MPC2K", "PAF", "PVF", "WVE", "WAVEX"}
"""Formats of libsndfile whose files say nothing of themselves, or whose suffix means something else nowadays."""
_PROMISED = re.compile(r"^ *(?:data|SSND|Data Size|riff) *: *(\d+) \(should be (\d+)\)", re.MULTILINE)
"""What libsndfile notes where a header and the file's size disagree; it reads what is there."""
_UNTIL_THE_END = 0xFFFF_FFFF
"""What a program writes as size that did not know it beforehand."""


@cache
def suffixes() -> frozenset[str]:
    """Of the files that are read as recordings, in small letters with the dot."""
    import soundfile

    formats = set(soundfile.available_formats()) - _NO_RECORDINGS
    return frozenset(
        {f".{name.lower()}" for name in formats} | {end for end, name in _SUFFIXES.items() if name in formats}
    )


def is_recording(path: Path) -> bool:
    """Whether a file's content is a recording, whatever it is called.

    MP3 is left out: it has no mark of its own, and other files are taken for it.
    """
    import soundfile

    try:
        return soundfile.info(os.fsencode(path)).format not in {"MP3", "RAW"}
    except (soundfile.SoundFileError, OSError):
        return False


def read(path: Path) -> tuple[Waveform, int]:
    """The samples, float32 [samples, channels] in −1..1, and the sample rate in Hz.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no recording, is cut off, longer than `limits.RECORDING_SAMPLES`, or of a coding that
            libsndfile does not know.
    """
    import soundfile

    if not path.stat().st_size:
        raise ValueError("it is empty")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            most = limits.RECORDING_SAMPLES // max(file.channels, 1)
            # Of some codings the header does not say how long they are.
            samples = file.read(min(most + 1, file.frames), dtype="float32", always_2d=True)
            promised, rate, notes = file.frames, file.samplerate, file.extra_info
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise ValueError(f"libsndfile reads no recording in it ({reason})") from error
    if len(samples) > most:
        raise ValueError(
            f"it has more than {most:,} samples in each of {samples.shape[1]} channels, and no more are read. Cut it up"
        )
    _check_whole(len(samples), promised, notes)
    return samples, rate


def _check_whole(there: int, promised: int, notes: str) -> None:
    for wanted, found in _PROMISED.findall(notes):
        if int(found) < int(wanted) != _UNTIL_THE_END:
            raise ValueError(f"it is cut off: its header promises {wanted} bytes of samples, {found} are there")
    if there < promised:
        raise ValueError(f"it is cut off: its header promises {promised} samples, {there} are there")
    if not there:
        raise ValueError("it has no samples")


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
    """A waveform [samples] at another rate in Hz, by SciPy's polyphase filter.

    Raises:
        ValueError: no recorder has such a rate, or the waveform would become longer than `limits.RECORDING_SAMPLES`.
    """
    if rate == wanted:
        return waveform.astype(np.float32, copy=False)
    if not 0 < rate <= limits.SAMPLE_RATE:
        raise ValueError(f"its sample rate is {rate:,} Hz, and none above {limits.SAMPLE_RATE:,} is read")
    if len(waveform) * wanted / rate > limits.RECORDING_SAMPLES:
        raise ValueError(
            f"its {len(waveform):,} samples at {rate:,} Hz become more than {limits.RECORDING_SAMPLES:,} at "
            f"{wanted:,} Hz"
        )
    from scipy.signal import resample_poly

    common = gcd(rate, wanted)
    return np.asarray(resample_poly(waveform, wanted // common, rate // common), np.float32)
