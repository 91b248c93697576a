"""What `pipeline bundle` is pointed at: a run or a .tflite file, and the recipe whose examples become golden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.tasks.task import Task
from pipeline.tflite import flatbuffer, metadata
from pipeline.workflow.resolve_task import task_of
from pipeline.workflow.run_folder import LABELS, MANIFEST
from pipeline.workflow.targets import model_file, recipe_of


@dataclass(frozen=True)
class Target:
    """A model and what is known of it besides its metadata."""

    model: Path
    name: str
    """What the bundle is called by default."""
    recipe: Recipe | None
    """Whose preprocessing and examples are used; None: the metadata's, and noise."""
    labels: tuple[str, ...]
    """Of the run; empty without one."""
    task: Task | None
    """The recipe's, where the model does not say itself how its outputs are read."""


def resolve(target: Path | None, recipe: str | None, overrides: Sequence[str], *, noise: bool) -> Target:
    """Find the model and its recipe.

    Args:
        target: A run folder or a .tflite file; None: the newest run.
        recipe: A recipe's name or file; None: the run's own, if it lies in one.
        overrides: `section.key=value` settings laid over the recipe.
        noise: Do without data.

    Raises:
        InputError: nothing there, another kind of file, or --noise and --recipe together.
    """
    if noise and (recipe is not None or overrides):
        raise InputError("--noise does without the data, --recipe and --set name it: give one of them.")
    model = model_file(target)
    if not model.is_file():
        raise InputError(f"There is no model '{model}': give a run folder or a .tflite file.")
    if model.suffix != ".tflite":
        raise InputError(f"'{model}' is no .tflite file. Write one first: pipeline export {model} --int8 …")
    folder = model.parent
    in_run = (folder / MANIFEST).is_file()
    chosen = None
    if not noise and (in_run or recipe is not None):
        chosen = recipe_of(recipe, list(overrides), [model])
    elif overrides:
        raise InputError(f"'{model}' lies in no run: --set lays values over a recipe, say which with --recipe.")
    labels = (
        (folder / LABELS).read_text(encoding="utf-8").splitlines() if (folder / LABELS).is_file() and in_run else []
    )
    name = f"{folder.name}-{model.stem}" if in_run else model.stem
    return Target(model, name, chosen, tuple(labels), _task(model, chosen))


def _task(model: Path, recipe: Recipe | None) -> Task | None:
    known = metadata.read(model)
    if recipe is None or (known is not None and known.task):
        return None
    return task_of(recipe, flatbuffer.load(model), load(recipe.data))
