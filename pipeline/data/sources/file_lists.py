"""What the sources that list files have in common: which columns the files make, and how they are decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.data.examples import Column
from pipeline.data.file_columns import AudioColumn, ImageColumn, Mode, is_grey
from pipeline.data.preprocess.choose import audio_of
from pipeline.errors import InputError
from pipeline.recipe import Data

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")
RECORDINGS = (".wav", ".wave")
COMPRESSED = (".flac", ".mp3", ".ogg", ".m4a", ".aiff", ".aif", ".opus")
"""Recordings that nothing this program depends on can read."""


def is_recording(file: str, where: str) -> bool:
    """Whether a file is read as a recording, by its name; an image otherwise.

    Raises:
        InputError: it is a compressed recording.
    """
    name = file.lower()
    if name.endswith(COMPRESSED):
        suffix = name.rpartition(".")[2].upper()
        raise InputError(
            f"{where}: {file} is {suffix}, which cannot be read here; WAV can. Convert it once: "
            f"`ffmpeg -i {Path(file).name} {Path(file).stem}.wav`."
        )
    return name.endswith(RECORDINGS)


def columns_of_files(
    name: str, root: Path, listing: Mapping[str, Sequence[str]], data: Data, *, channels: int | None
) -> dict[str, Column]:
    """One input's column of each split.

    Images are decoded to grey only where every one of them is, so that a few grey photos among colour ones have the
    others' shape; `channels` decides without looking at the files.

    Args:
        name: The input's.
        root: The folder that files are relative to.
        listing: Split → files.
        data: Its `audio` counts here.
        channels: Of images, as the recipe says.

    Raises:
        InputError: images and recordings are mixed, or a recording is compressed.
    """
    every = [file for files in listing.values() for file in files]
    kinds = {is_recording(file, str(root)): file for file in every}
    if len(kinds) > 1:
        raise InputError(f"data.path: {root} mixes images and recordings: {kinds[False]} and {kinds[True]}.")
    if True in kinds:
        rate = audio_of(name, data).sample_rate
        return {split: AudioColumn(root, files, rate) for split, files in listing.items()}
    mode = _mode(channels, (root / file for file in every))
    return {split: ImageColumn(root, files, mode) for split, files in listing.items()}


def _mode(channels: int | None, paths: Iterable[Path]) -> Mode:
    if channels is not None:
        return "L" if channels == 1 else "RGB"
    return "L" if all(is_grey(path) for path in paths) else "RGB"
