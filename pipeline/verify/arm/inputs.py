"""Inputs to compare two sets of kernels on where there is no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.benchmark.inputs import random_inputs
from pipeline.verify.arm.emulate import open_runner


def random_examples(model: Path | bytes, examples: int) -> list[NDArray[Any]]:
    """One array for each input of a model, of so many calls of it: any values of the right type, the same every time.

    Raises:
        InputError: LiteRT does not take the model, or it takes strings.
    """
    runner = open_runner(model)
    once = random_inputs(runner)
    rng = np.random.default_rng(0)
    # Permuted, the values stay in the range that each type needs.
    calls = [[rng.permuted(array, axis=None).reshape(array.shape) for array in once] for _ in range(examples - 1)]
    return [np.concatenate([np.atleast_1d(array) for array in arrays]) for arrays in zip(once, *calls, strict=True)]
