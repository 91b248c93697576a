"""What every source hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.data.examples import Examples
from pipeline.errors import InputError
from pipeline.files import check_ordinary
from pipeline.recipe import Data, TargetKind

SPLITS = ("train", "calibration", "validation", "test")

SPLIT_OF = {**{name: name for name in SPLITS}, "val": "validation"}
"""The split that a folder, a CSV's `split` column or an NPZ's key means."""


@dataclass(frozen=True)
class KnownTarget:
    """What is known of a target."""

    kind: TargetKind
    class_names: tuple[str, ...] = ()
    """The name of class 0, 1, … of classes, boxes and masks; of points their own; empty for other kinds."""

    @property
    def has_classes(self) -> bool:
        """Whether `class_names` are those of classes."""
        return self.kind in ("class", "boxes", "mask")


@dataclass(frozen=True, eq=False)
class Source:
    """Stored examples as they were found. Examples without a split are in "train".

    Attributes:
        splits: Some of :data:`SPLITS`, none of them empty.
        targets: What is known of each target, by name.
        fingerprint: SHA-256 that changes when the examples do.
        notes: What was found beside the examples and not taken, a sentence each.
    """

    splits: Mapping[str, Examples]
    targets: Mapping[str, KnownTarget] = field(default_factory=dict)
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of class 0, 1, … of the one target that has classes; empty where there is none, or several."""
        return names_of_classes(self.targets)


def names_of_classes(targets: Mapping[str, KnownTarget]) -> tuple[str, ...]:
    """The name of class 0, 1, … of the one target that has classes; empty where there is none, or several."""
    named = [target.class_names for target in targets.values() if target.has_classes]
    return named[0] if len(named) == 1 else ()


def required_path(data: Data, what: str) -> Path:
    """`data.path`.

    Raises:
        InputError: it is not given, or nothing is there.
    """
    if data.path is None:
        raise InputError(f"data.source '{data.source}' needs {what}: `--set data.path=…`.")
    if not data.path.exists():
        raise InputError(f"data.path: there is no '{data.path}'. Give {what}: `--set data.path=…`.")
    check_ordinary(data.path)
    return data.path
