"""What a written .tflite says of itself: labels, preprocessing, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.bundle.read_contract import readings
from pipeline.recipe import Keep, Recipe
from pipeline.tensors import TensorSpec, bind
from pipeline.tflite import golden
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.metadata import Metadata, by_input, located_task, write
from pipeline.versions import versions

if TYPE_CHECKING:
    from pipeline.data import Dataset
    from pipeline.tasks.task import Task

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
    *,
    mixed_ranges: Sequence[str] = (),
    outputs_changed: Sequence[Mapping[str, Any]] = (),
    task: Task,
    io: str | None = None,
) -> bytes:
    """A .tflite with the recipe's labels, preprocessing, task and provenance inside.

    Args:
        recipe: Whose model it is.
        data: What it was calibrated on.
        content: The .tflite.
        target: The format that it was written as.
        ranges: How its ranges came about.
        keep: The rules that it was written with.
        how: How PTQ corrected its weights.
        mixed_ranges: Tensors that join parts of very different ranges, which some of the rules are for.
        outputs_changed: What was split or divided of the outputs of the model that it was made from, as JSON.
        task: What its outputs mean.
        io: Type of inputs and outputs that it was written with; None for formats that compute in float.

    Raises:
        InputError: the data's inputs are not the model's.
    """
    pair = golden.pair(content) if target in GOLDEN and not keep else None
    found = inspect(content)
    specs = [TensorSpec(port.name, port.shape_signature, np.dtype(np.float32)) for port in found.inputs]
    described = {
        name: preprocessor.describe() | {"shape": list(data.inputs[name].shape[1:])}
        for name, preprocessor in data.preprocessors.items()
    }
    said = task.describe()
    return write(
        content,
        Metadata(
            name=recipe.name,
            description=recipe.description,
            version=versions()["keras-int8-pipeline"],
            labels=_labels(found, data, said),
            preprocessing=by_input(bind(described, specs)),
            task=said,
            provenance={
                "format": target,
                "io": io,
                "recipe_sha256": recipe.digest(),
                "data_sha256": data.fingerprint,
                "ranges": ranges,
                "calibration": how,
                "keep": [str(rule) for rule in keep],
                "mixed_ranges": list(mixed_ranges),
                "outputs_changed": list(outputs_changed),
                "golden": pair.to_json() if pair else None,
                "versions": versions(),
            },
        ),
    )


def _labels(found: Inspection, data: Dataset, task: dict[str, Any]) -> tuple[str, ...]:
    """The data's class names, where an output has as many classes: of fewer nothing says which the others are.

    None for an output of numbers, and for one sigmoid unit that tells two classes apart. Of boxes, masks and points
    they are the model's whatever the outputs' shapes: the task has seen to that.
    """
    located = located_task(task)
    if located is not None:
        return data.names_of(located.get("target"))
    names = data.class_names
    outputs = {port.name: port for port in found.outputs}
    meant = readings(task, list(outputs))
    sizes = [(outputs[name].shape or (1,))[-1] for name, reading in meant.items() if reading != "values"]
    return names if len(names) in sizes else ()
