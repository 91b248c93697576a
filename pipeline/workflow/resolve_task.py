"""The task of a .tflite file and a recipe's data."""

from __future__ import annotations

from pipeline.data import Dataset
from pipeline.recipe import Recipe
from pipeline.tasks.registry import resolve
from pipeline.tasks.task import Task
from pipeline.tflite.endings import endings
from pipeline.tflite.kernels import open_runner


def task_of(recipe: Recipe, content: bytes, data: Dataset) -> Task:
    """What the recipe names, or what fits the model and the data.

    Args:
        recipe: Whose `task` counts.
        content: The .tflite file's content.
        data: The recipe's.

    Raises:
        InputError: the task does not fit the outputs, or targets are missing.
    """
    signature = open_runner(content).signature
    found = resolve(recipe.task, signature, endings(content), data.inputs, data.targets, data.class_names)
    return found.task
