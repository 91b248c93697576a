"""What every source hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.data.examples import Examples
from pipeline.errors import InputError
from pipeline.recipe import Data

SPLITS = ("train", "calibration", "validation", "test")

SPLIT_OF = {**{name: name for name in SPLITS}, "val": "validation"}
"""The split that a folder, a CSV's `split` column or an NPZ's key means."""


@dataclass(frozen=True, eq=False)
class Source:
    """Stored examples as they were found. Examples without a split are in "train".

    Attributes:
        splits: Some of :data:`SPLITS`, none of them empty.
        class_names: The name of class 0, 1, ….
        fingerprint: SHA-256 that changes when the examples do.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    fingerprint: str


def required_path(data: Data, what: str) -> Path:
    """`data.path`.

    Raises:
        InputError: it is not given, or nothing is there.
    """
    if data.path is None:
        raise InputError(f"data.source '{data.source}' needs {what}: `--set data.path=…`.")
    if not data.path.exists():
        raise InputError(f"data.path: there is no '{data.path}'. Give {what}: `--set data.path=…`.")
    return data.path
