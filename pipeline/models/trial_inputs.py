"""Random input that a model takes, and how far two answers to it are apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.tensors import OPEN, TensorSpec

OPEN_SIDES = (32, 64, 96, 128, 224)
"""Lengths tried for a side that the model leaves open: some need a certain size."""


def trial_inputs(
    specs: Sequence[TensorSpec],
    run: Callable[[list[NDArray[Any]]], object],
    *,
    examples: int = 2,
    below: Sequence[int] = (),
    failures: tuple[type[Exception], ...] = (ValueError,),
    name: str = "model",
) -> list[NDArray[Any]]:
    """An array an input: between −1 and 1 for the first example, 0 and 255 for the next, small integers for indices.

    Args:
        specs: What the model takes; `OPEN` for what it leaves open.
        run: Runs it; called where sizes must be tried.
        examples: How many, where the batch is open.
        below: Numbers of entries of the model's embedding tables. Where there are any, all inputs are indices.
        failures: What `run` raises where it does not take a size.
        name: The model's, for the message.

    Raises:
        InputError: it runs on none of the sizes tried.
    """
    generator = np.random.default_rng(0)
    reason: Exception | None = None
    for open_side in OPEN_SIDES:
        feed = [_values(spec, examples, open_side, below, generator) for spec in specs]
        if all(OPEN not in spec.shape[1:] for spec in specs):
            return feed
        try:
            run(feed)
        except failures as error:
            reason = error
            continue
        return feed
    raise InputError(f"The model '{name}' does not run: {one_line(reason, 300)}")


def difference(reference: NDArray[Any], output: NDArray[Any]) -> float:
    """The largest difference of two arrays, relative to the largest finite value of the reference.

    Infinite and undefined values must stand at the same places; a shape that differs is an infinite difference.
    """
    if reference.shape != output.shape:
        return float("inf")
    reference, output = reference.astype(np.float64), output.astype(np.float64)
    finite = np.isfinite(reference)
    if not np.array_equal(finite, np.isfinite(output)):
        return float("inf")
    if not finite.any():
        return 0.0
    size = float(np.abs(reference[finite]).max()) or 1.0
    return float(np.abs(reference[finite] - output[finite]).max()) / size


def _values(
    spec: TensorSpec, examples: int, open_side: int, below: Sequence[int], generator: np.random.Generator
) -> NDArray[Any]:
    batch, *sides = spec.shape or (1,)
    shape = [examples if batch == OPEN else batch, *(open_side if side == OPEN else side for side in sides)]
    if not spec.shape:
        shape = []
    if spec.dtype == bool:
        return np.asarray(generator.integers(0, 2, shape)).astype(bool)
    if below or spec.dtype.kind != "f":
        limit = min([*below, 128 if spec.dtype == np.int8 else 256])
        return np.asarray(generator.integers(0, limit, shape)).astype(spec.dtype)
    values = np.asarray(generator.uniform(-1, 1, shape))
    if values.ndim:
        values[1::2] = (values[1::2] + 1) * 127.5
    return values.astype(spec.dtype)
