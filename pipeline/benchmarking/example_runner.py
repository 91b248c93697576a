"""A model ready to run on one example, its open dimensions as large as its metadata says."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.tflite.example_shapes import ExampleShapes
from pipeline.tflite.runner import Runner


def example_runner(model: Path, known: ExampleShapes | None, *, threads: int = 1, xnnpack: bool = True) -> Runner:
    """
    Args:
        model: The file.
        known: What `example_shapes` says of it.
        threads: As for `Runner`.
        xnnpack: As for `Runner`.

    Raises:
        InputError: as `Runner`; where sizes had to be guessed the message says so.
    """
    try:
        return Runner(model, threads=threads, xnnpack=xnnpack, shapes=None if known is None else known.shapes)
    except InputError as error:
        if known is None or known.note is None:
            raise
        raise InputError(f"{error} {known.note}") from error
