"""Inputs to compare two sets of kernels on: real ones, or any where there is no data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import recipe
from pipeline.benchmarking.inputs import random_inputs
from pipeline.data import load
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.verification.arm.emulate import open_runner
from pipeline.workflow.run_folder import Run


def examples_for(model: Path, examples: int) -> list[NDArray[Any]]:
    """Of a run's model its first test examples, of any other file random values.

    Raises:
        InputError: as `data_examples` and `random_examples`.
    """
    content = Run(model.parent).manifest.get("recipe")
    if content is None:
        return random_examples(model, examples)
    return data_examples(recipe.parse(content, f"the recipe of {model.parent}").data, examples)


def float_of(model: Path) -> Path | None:
    """The float model of the run that a model lies in; None without a run, or for that model itself."""
    beside = model.with_name("float.tflite")
    in_a_run = "recipe" in Run(model.parent).manifest
    return beside if in_a_run and beside.is_file() and beside != model else None


def data_examples(data: Data, examples: int) -> list[NDArray[Any]]:
    """The first examples of a recipe's test split, in the units the model was trained on: [float32 [B, ...]].

    Raises:
        InputError: the data is not there, or holds no test split.
        PipelineError: a download failed.
    """
    dataset = load(data)
    pieces: list[NDArray[Any]] = []
    for batch in dataset.batches("test", min(examples, 16)):
        pieces.append(batch.x)
        if sum(len(piece) for piece in pieces) >= examples:
            break
    if not pieces:
        raise InputError("The data has no test examples to compare on.")
    return [np.concatenate(pieces)[:examples]]


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
