"""What the sources that hold arrays have in common: NPZ, Keras' data sets, a function's answer, digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import fingerprint
from pipeline.data.examples import ArrayExamples, Examples, SequenceExamples
from pipeline.data.labels import class_indices, name_classes
from pipeline.data.sources.source import Source
from pipeline.errors import InputError

Stored = NDArray[Any] | Sequence[Any]
"""Examples along the first axis of an array, or of anything with a length and integer indexing."""


def source_of_arrays(
    arrays: Mapping[str, tuple[Stored, Any]],
    given: tuple[str, ...] | None,
    native: tuple[str, ...] | None = None,
) -> Source:
    """Make a source of examples and labels by split.

    Args:
        arrays: Split → (x, y): x an array [N, ...] or a sequence of examples, y what
            :func:`~pipeline.data.labels.class_indices` takes. Empty splits are left out.
        given: The names in `data.labels`.
        native: The names the source itself knows.

    Raises:
        InputError: x and y differ in length, nothing to learn from, or a label is wrong.
    """
    splits: dict[str, Examples] = {}
    shown: dict[str, int] = {}
    for split, (x, y) in arrays.items():
        if len(x) != len(y):
            raise InputError(f"The {split} split has {len(x)} examples but {len(y)} labels.")
        if len(x):
            splits[split], shown[split] = _examples(x, y, f"x_{split}")
    if not splits:
        raise InputError("The data has no examples at all.")
    classes = shown.get("train", max(shown.values()))
    return Source(splits, name_classes(splits, given, native, classes), fingerprint.of_examples(splits))


def _examples(x: Stored, y: Any, name: str) -> tuple[Examples, int]:
    labels, classes = class_indices(y, lambda index: f"{name}[{index}]")
    if not isinstance(x, np.ndarray):
        return SequenceExamples(x, labels, name), classes
    if x.dtype.kind not in "buif":
        raise InputError(f"{name} must be an array of numbers, not {x.dtype}.")
    return ArrayExamples(x, labels, name), classes
