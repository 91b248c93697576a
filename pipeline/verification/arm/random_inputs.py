"""Any inputs of a model, to compare two sets of kernels on where there is no data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.benchmarking.inputs import random_inputs
from pipeline.tensors import Array
from pipeline.tflite.runner import Runner


def random_examples(model: Path | bytes, calls: int) -> dict[str, Array]:
    """Inputs for so many calls of a model: any values of the right type, the same every time.

    Returns:
        By input name, [B, ...] in real units (integers without a scale and booleans as they are); B is a multiple of
        the model's batch.

    Raises:
        InputError: LiteRT does not take the model, or it takes strings.
    """
    runner = Runner(model)
    rng = np.random.default_rng(0)
    found = {}
    for spec, once in zip(runner.inputs, random_inputs(runner), strict=True):
        # Permuted, the values stay in the range that each type needs.
        others = [rng.permuted(once, axis=None).reshape(once.shape) for _ in range(calls - 1)]
        stored = np.stack([once, *others]) if not once.shape else np.concatenate([once, *others])
        found[spec.name] = spec.dequantize(stored)
    return found
