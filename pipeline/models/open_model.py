"""The Keras model that a file or a recipe stands for, to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.models.build import build
from pipeline.models.load import load_file
from pipeline.recipe import Recipe


def open_model(source: Path | Recipe, *, trusted: bool = False) -> Any:
    """Load a model file, or build a recipe's model for the recipe's data.

    Args:
        source: Either.
        trusted: Whether code that came with the file may run; a recipe says so itself.

    Raises:
        InputError: as `load_file` and `build`, or the recipe's data is not there.
    """
    if isinstance(source, Path):
        return load_file(source, trusted=trusted)
    from pipeline.data import load

    data = load(source.data, trains=source.trains)
    trainable = source.train is not None and source.train.epochs > 0
    return build(source.model, data.inputs, data.targets, data.class_names, source.task, trainable=trainable)
