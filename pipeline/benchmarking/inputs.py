"""Inputs to time a model on: any values of the right shape and type, the same every time."""

from __future__ import annotations

from typing import Any

from numpy.random import default_rng  # loaded here so that it counts in the memory baseline, not in the model
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tflite.plausible_inputs import noise
from pipeline.tflite.runner import Runner


def random_inputs(runner: Runner) -> list[NDArray[Any]]:
    """One array for each of the model's inputs, as :func:`pipeline.tflite.plausible_inputs.noise` makes it.

    Raises:
        InputError: an input of another type, such as a string.
    """
    generator = default_rng(0)
    arrays: list[NDArray[Any]] = []
    for spec in runner.inputs:
        if spec.dtype.kind not in "fiub":
            kind = "strings" if spec.dtype.kind in "SUO" else str(spec.dtype)
            raise InputError(
                f"The input '{spec.name}' holds {kind}, for which there are no values to time the model on. "
                "Inputs must be floats, integers or booleans."
            )
        arrays.append(noise(spec.shape, spec.dtype, generator))
    return arrays
