"""What a written .tflite says of itself: labels, preprocessing, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.recipe import Keep, Recipe
from pipeline.tflite import golden
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata import Metadata, write
from pipeline.versions import versions

if TYPE_CHECKING:
    from pipeline.data import Dataset

GOLDEN: frozenset[str] = frozenset({"int8", "int8_per_tensor"})
"""Formats whose answers are the same bytes on every device, so that a golden pair can be checked."""


def with_metadata(
    recipe: Recipe,
    data: Dataset,
    content: bytes,
    target: str,
    ranges: str | None = None,
    keep: Sequence[Keep] = (),
    how: str | None = None,
) -> bytes:
    """A .tflite with the recipe's labels, preprocessing and provenance inside."""
    pair = golden.pair(content) if target in GOLDEN and not keep else None

    return write(
        content,
        Metadata(
            name=recipe.name,
            description=recipe.description,
            version=versions()["keras-int8-pipeline"],
            labels=_labels(content, data.class_names),
            preprocessing=data.preprocessor.describe(),
            provenance={
                "format": target,
                "recipe_sha256": recipe.digest(),
                "data_sha256": data.fingerprint,
                "ranges": ranges,
                "calibration": how,
                "keep": [str(rule) for rule in keep],
                "golden": pair.to_json() if pair else None,
                "versions": versions(),
            },
        ),
    )


def _labels(content: bytes, names: tuple[str, ...]) -> tuple[str, ...]:
    """A name for every class the model answers: the data may show fewer, those are named by their number."""
    classes = inspect(content).outputs[0].shape[-1]
    if classes < len(names):
        return ()  # one sigmoid unit for two classes
    return (*names, *(str(index) for index in range(len(names), classes)))
