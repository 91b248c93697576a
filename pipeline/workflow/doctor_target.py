"""What `pipeline doctor` is pointed at: a Keras model, or a run or .tflite file and the data that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data import load as load_data
from pipeline.diagnosis.calibration_data import diagnose
from pipeline.errors import InputError
from pipeline.finding import Diagnosis
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe, lay_over, load, parse
from pipeline.tflite import flatbuffer, metadata
from pipeline.workflow.resolve_task import task_of
from pipeline.workflow.run_folder import MANIFEST, newest, root
from pipeline.workflow.targets import recipe_of

FLOAT_KERAS = "float.keras"
FLOAT, PREPARED, QAT = "float.tflite", "prepared.tflite", "qat.tflite"
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
        raise InputError(f"--data takes a .tflite file or a run folder, and '{given}' is neither.{how}")
    else:
        model = described = given
    return Target(model, described, recipe_of(recipe, list(overrides), [model]))


def examine_data(target: Target, track: Track = quiet) -> Diagnosis:
    """What is wrong with the data for the model.

    Args:
        target: Of `resolve`.
        track: Follows the passes over the data.

    Raises:
        InputError: as `diagnose`, or the recipe's task does not fit the model.
    """
    content = flatbuffer.load(target.model)
    data = load_data(target.recipe.data.model_copy(update={"on_corrupt": "skip"}))
    task = task_of(target.recipe, content, data)
    return diagnose(content, target.recipe.data, metadata.read(target.described), task=task, track=track)


def keras_model(target: Path | None, overrides: Sequence[str]) -> tuple[Path | Recipe, dict[str, str]]:
    """What Keras model `pipeline doctor MODEL` examines, and the recipe's own QuantizeConfigs.

    Args:
        target: A `.keras` or `.h5` file, a SavedModel, a run folder, or a recipe's name or file; None: the newest run.
        overrides: `section.key=value` settings laid over the recipe.

    Returns:
        The model's file, or the recipe that says how it is built; and `qat.configs`.

    Raises:
        InputError: nothing of the kind is there.
    """
    given = target if target is not None else newest(root()).folder
    if (given / MANIFEST).is_file():
        model = given / FLOAT_KERAS
        if not model.is_file():
            raise InputError(f"The run '{given}' has no {FLOAT_KERAS}: run its recipe as far as the training.")
        recipe = recipe_of(None, list(overrides), [model])
        return model, recipe.qat.configs if recipe.qat else {}
    if given.suffix == ".tflite":
        raise InputError(
            f"'{given}' is converted already: the doctor examines Keras models, and .tflite files with --data. "
            f"`pipeline inspect {given}` says what the file is."
        )
    if given.suffix in _KERAS or given.is_dir():
        if not given.exists():
            raise InputError(f"There is no '{given}'.")
        content: dict[str, object] = {"name": "doctor", "model": {"path": str(given)}}
        for override in overrides:
            lay_over(content, override)
        recipe = parse(content, "--set")
        return given, recipe.qat.configs if recipe.qat else {}
    recipe = load(str(given), list(overrides))
    return recipe.model.path or recipe, recipe.qat.configs if recipe.qat else {}


def _of_run(folder: Path) -> tuple[Path, Path]:
    """A run's float model, and the file with its metadata.

    The prepared one is float too, but after PTQ its weights may have been corrected and rounded on the very data that
    is examined. QAT's was not; there it is the model, and `float.tflite` what QAT started from.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"'{folder}' is no run folder, it has no {MANIFEST}: give a run or a .tflite file.")
    model = folder / (PREPARED if (folder / QAT).is_file() and (folder / PREPARED).is_file() else FLOAT)
    if not model.is_file():
        raise InputError(f"The run '{folder}' has no {FLOAT} yet: run its recipe as far as the export.")
    return model, folder / FLOAT if (folder / FLOAT).is_file() else model
