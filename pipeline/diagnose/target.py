"""What `pipeline doctor` is pointed at: a run or a .tflite file, and the recipe whose data is examined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.run import MANIFEST, newest, recipe_of, root

FLOAT, HUB, QAT = "float.tflite", "hub.tflite", "qat.tflite"
_KERAS = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class Target:
    """What is examined."""

    model: Path
    """The .tflite file that answers and whose activations are measured."""
    described: Path
    """The one whose metadata count."""
    recipe: Recipe


def resolve(target: Path | None, recipe: str | None, overrides: Sequence[str]) -> Target:
    """Find the model and the recipe.

    Args:
        target: A run folder or a .tflite file; None: the newest run.
        recipe: A recipe's name or file; None: the run's own.
        overrides: `section.key=value` settings laid over the recipe.

    Raises:
        InputError: nothing there, a run without a model, another kind of file, or no recipe.
    """
    given = target if target is not None else newest(root()).folder
    if not given.exists():
        raise InputError(f"There is no '{given}': give a run folder or a .tflite file.")
    if given.is_dir():
        model, described = _of_run(given)
    elif given.suffix != ".tflite":
        how = f" Write one first, `pipeline export {given} --float32`, and give that." if given.suffix in _KERAS else ""
        raise InputError(f"'{given}' is no .tflite file and no run folder.{how}")
    else:
        model = described = given
    return Target(model, described, recipe_of(recipe, list(overrides), [model]))


def _of_run(folder: Path) -> tuple[Path, Path]:
    """A run's float model, and the file with its metadata.

    The hub is float too, but after training its weights may have been corrected and rounded on the very data that is
    examined. QAT's hub was not; there it is the model, and `float.tflite` what QAT started from.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"'{folder}' is no run folder, it has no {MANIFEST}: give a run or a .tflite file.")
    model = folder / (HUB if (folder / QAT).is_file() and (folder / HUB).is_file() else FLOAT)
    if not model.is_file():
        raise InputError(f"The run '{folder}' has no {FLOAT} yet: run its recipe as far as the export.")
    return model, folder / FLOAT if (folder / FLOAT).is_file() else model
