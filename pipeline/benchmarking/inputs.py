"""Inputs to time a model on: any values of the right shape and type, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import default_rng  # loaded here so that it counts in the memory baseline, not in the model
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tflite.runner import Runner


def random_inputs(runner: Runner) -> list[NDArray[Any]]:
    """One array for each of the model's inputs.

    Floats are uniform in −1..1, 8 and 16 bit integers over their whole range, wider integers and booleans 0
    or 1, since they are often indices, which must stay inside some table.

    Raises:
        InputError: an input of another type, such as a string.
    """
    generator = default_rng(0)
    arrays: list[NDArray[Any]] = []
    for spec in runner.inputs:
        if spec.dtype.kind == "f":
            values: NDArray[Any] = generator.uniform(-1, 1, spec.shape)
        elif spec.dtype.kind in "iu" and spec.dtype.itemsize <= 2:
            limits = np.iinfo(spec.dtype)
            values = generator.integers(limits.min, limits.max, spec.shape, endpoint=True)
        elif spec.dtype.kind in "iub":
            values = generator.integers(0, 1, spec.shape, endpoint=True)
        else:
            kind = "strings" if spec.dtype.kind in "SUO" else str(spec.dtype)
            raise InputError(
                f"The input '{spec.name}' holds {kind}, for which there are no values to time the model on. "
                "Inputs must be floats, integers or booleans."
            )
        arrays.append(np.asarray(values, spec.dtype))
    return arrays
