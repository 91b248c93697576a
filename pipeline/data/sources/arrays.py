"""What the sources that hold arrays have in common: NPZ, Keras' data sets, a function's answer, embedded examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.columns import ArrayColumn, SequenceColumn
from pipeline.data.examples import Column
from pipeline.data.file_columns import WaveformColumn
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.tensors import INPUT, TARGET

Stored = NDArray[Any] | Sequence[Any] | Column
"""Examples along the first axis of an array, or of anything with a length and integer indexing."""

Arrays = tuple[Mapping[str, Stored], Mapping[str, Any]]
"""Inputs and targets by name."""


def pair(x: Stored, y: Any) -> Arrays:
    """One input and one target under the names they have by default."""
    return {INPUT: x}, {TARGET: y}


def source_of_arrays(
    arrays: Mapping[str, Arrays],
    data: Data,
    given: tuple[str, ...] | None,
    known: Mapping[str, KnownTarget] | None = None,
) -> Source:
    """Make a source of examples by split.

    Args:
        arrays: Split → (inputs, targets): inputs arrays [N, ...], sequences of examples or columns, targets what
            :func:`~pipeline.data.target_kinds.read_target` takes. Empty splits are left out.
        data: The recipe's section.
        given: The names in `data.labels`.
        known: What the source knows of its targets.

    Raises:
        InputError: inputs and targets differ in length, nothing to learn from, or a target is wrong.
    """
    found = {
        split: Found({name: _column(stored, f"{name}_{split}") for name, stored in inputs.items()}, targets)
        for split, (inputs, targets) in arrays.items()
    }
    return assemble(found, data, given, known)


def _column(stored: Stored, name: str) -> Column:
    if isinstance(stored, ArrayColumn | SequenceColumn | WaveformColumn):
        return stored
    if not isinstance(stored, np.ndarray):
        return SequenceColumn(stored, name)  # type: ignore[arg-type]
    if stored.dtype.kind not in "buif":
        raise InputError(f"{name} must be an array of numbers, not {stored.dtype}.")
    return ArrayColumn(stored, name)
