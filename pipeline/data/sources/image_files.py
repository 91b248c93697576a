"""What the sources that list image files have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.data import fingerprint
from pipeline.data.examples import Examples, FileExamples, Labels, Mode, is_grey
from pipeline.data.sources.source import Source
from pipeline.recipe import Data

Listing = Mapping[str, tuple[Sequence[str], Sequence[int]]]
"""Split → the files' names relative to the root, and their class indices."""


def source_of_files(root: Path, listing: Listing, class_names: tuple[str, ...], data: Data) -> Source:
    """Make a source of a listing.

    The files are decoded to grey only where every one of them is, so that a few grey photos among colour ones
    have the others' shape. `data.preprocess.channels` decides without looking at the files.
    """
    checked: dict[str, tuple[Sequence[str], Labels]] = {
        split: (names, np.asarray(labels, dtype=np.int64)) for split, (names, labels) in listing.items() if names
    }
    paths = (root / name for names, _ in checked.values() for name in names)
    mode = _mode(data.preprocess.channels, paths)
    splits: dict[str, Examples] = {
        split: FileExamples(root, names, labels, mode) for split, (names, labels) in checked.items()
    }
    return Source(splits, class_names, fingerprint.of_files(root, checked))


def _mode(channels: int | None, paths: Iterable[Path]) -> Mode:
    if channels is not None:
        return "L" if channels == 1 else "RGB"
    return "L" if all(is_grey(path) for path in paths) else "RGB"
