"""What each command takes its target for: the files it needs, the recipe, and what is known besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import limits
from pipeline import recipe as recipes
from pipeline.errors import InputError, readable
from pipeline.foreign_files import recognize
from pipeline.recipe import Recipe
from pipeline.workflow.run_folder import FLOAT, FLOAT_KERAS, LABELS, MANIFEST, PREPARED, QAT, QAT_KERAS, Run
from pipeline.workflow.targets import check_there, keras_of, locate, model_file

if TYPE_CHECKING:
    from pipeline.tasks.task import Task

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True)
class BundleTarget:
    """A model, and what is known of it besides its metadata."""

    model: Path
    name: str
    """What the bundle is called by default."""
    recipe: Recipe | None
    """Whose preprocessing and examples are used; None: the metadata's, and noise."""
    labels: tuple[str, ...]
    """Of the run; empty without one."""
    task: Task | None
    """The recipe's, where the model does not say itself how its outputs are read."""


def for_bundle(given: Path | None, recipe: str | None, overrides: Sequence[str], *, noise: bool) -> BundleTarget:
    """Find the model that `pipeline bundle` packs, and the recipe whose examples become golden.

    Args:
        given: A run folder or a .tflite file; None: the newest run.
        recipe: A recipe's name or file; None: the run's own, if it lies in one.
        overrides: `section.key=value` settings laid over the recipe.
        noise: Do without data.

    Raises:
        InputError: nothing there, another kind of file, or --noise and --recipe together.
    """
    if noise and (recipe is not None or overrides):
        raise InputError("--noise does without the data, --recipe and --set name it: give one of them.")
    model = model_file(given)
    check_there(model)
    from pipeline.tflite.flatbuffer import is_tflite

    if not is_tflite(model):
        _refuse_foreign(model)
        raise InputError(f"'{model}' is no .tflite file. Write one first: pipeline export {model} --int8 …")
    target = locate(model)
    chosen = None
    if not noise and (target.run is not None or recipe is not None):
        chosen = target.recipe(recipe, overrides)
    elif overrides:
        raise InputError(f"'{model}' lies in no run: --set lays values over a recipe, say which with --recipe.")
    labels: list[str] = []
    if target.run is not None and target.run.path(LABELS).is_file():
        lines = limits.text_file(target.run.path(LABELS)).splitlines()
        labels = [name for name in lines if name]  # one empty line where the data have no classes
    name = model.stem if target.run is None else f"{target.run.folder.name}-{model.stem}"
    return BundleTarget(model, readable(name), chosen, tuple(labels), _task(model, chosen))


def _task(model: Path, recipe: Recipe | None) -> Task | None:
    from pipeline.data import load
    from pipeline.tflite import metadata
    from pipeline.workflow.context import resolve_task

    known = metadata.read(model)
    if recipe is None or (known is not None and known.task):
        return None
    return resolve_task(recipe, load(recipe.data, trains=recipe.trains), model).task


@dataclass(frozen=True)
class DataTarget:
    """A float model, and the calibration data that is examined for it."""

    model: Path
    """The .tflite file that answers and whose activations are measured."""
    described: Path
    """The one whose metadata count."""
    recipe: Recipe


def for_data(given: Path | None, recipe: str | None, overrides: Sequence[str]) -> DataTarget:
    """Find what `pipeline doctor --data` examines.

    Args:
        given: A run folder or a .tflite file; None: the newest run.
        recipe: A recipe's name or file; None: the run's own.
        overrides: `section.key=value` settings laid over the recipe.

    Raises:
        InputError: nothing there, a run without a model, another kind of file, or no recipe.
    """
    from pipeline.tflite.flatbuffer import is_tflite

    path = locate(given).path
    check_there(path)
    if path.is_dir():
        model, described = _float_of_run(path)
    elif not is_tflite(path):
        _refuse_foreign(path)
        how = f" Write one first, `pipeline export {path} --float32`, and give that." if _is_keras_file(path) else ""
        raise InputError(f"--data takes a .tflite file or a run folder, and '{path}' is neither.{how}")
    else:
        model = described = path
    return DataTarget(model, described, locate(model).recipe(recipe, overrides))


def _float_of_run(folder: Path) -> tuple[Path, Path]:
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


@dataclass(frozen=True)
class KerasTarget:
    """A Keras model that is examined."""

    source: Path | Recipe
    """Its file, or the recipe that says how it is built."""
    configs: dict[str, str]
    """The recipe's `qat.configs`: QuantizeConfigs of the user's own."""
    trusted: bool = False
    """Whether code that came with the file may run."""


def for_keras_model(given: Path | None, overrides: Sequence[str]) -> KerasTarget:
    """Find the Keras model that `pipeline doctor MODEL` examines.

    Args:
        given: A `.keras` or `.h5` file, a SavedModel, a run folder, or a recipe's name or file; None: the newest run.
        overrides: `section.key=value` settings laid over the recipe.

    Raises:
        InputError: nothing of the kind is there.
    """
    from pipeline.tflite.flatbuffer import is_tflite

    target = locate(given)
    path = target.path
    if target.is_run:
        model = keras_of(Run(path))
        if model is None:
            raise InputError(f"The run '{path}' has no {FLOAT_KERAS}: run its recipe as far as the training.")
        return _keras_target(model, target.recipe(None, overrides), trusted=_own_file(Run(path), model))
    if path.suffix == ".tflite":
        check_there(path)
    _refuse_foreign(path)
    if is_tflite(path):
        raise InputError(
            f"'{path}' is converted already: the doctor examines Keras models, and .tflite files with --data. "
            f"`pipeline inspect {path}` says what the file is."
        )
    if _is_keras_file(path) or path.is_dir():
        if not path.exists():
            raise InputError(f"There is no '{path}'.")
        content: dict[str, object] = {"name": "doctor", "model": {"path": str(path)}}
        for override in overrides:
            recipes.lay_over(content, override)
        return _keras_target(path, recipes.parse(content, "--set"))
    recipe = recipes.load(str(path), list(overrides))
    return _keras_target(recipe.model.path or recipe, recipe)


def _keras_target(source: Path | Recipe, recipe: Recipe, *, trusted: bool = False) -> KerasTarget:
    return KerasTarget(source, recipe.qat.configs if recipe.qat else {}, trusted or recipe.model.trust)


def _own_file(run: Run, path: Path) -> bool:
    """Whether a Keras file is what the run trained, from a model that was trusted already."""
    stages = {FLOAT_KERAS: "train", QAT_KERAS: "qat"}
    return path.parent == run.folder and path.name in stages and run.is_intact(stages[path.name])


def _refuse_foreign(path: Path) -> None:
    kind = recognize(path)
    if kind is not None:
        raise InputError(f"'{path}' is {kind}")


def _is_keras_file(path: Path) -> bool:
    """By its name; or by its content, which a recipe does not start with."""
    if path.suffix in KERAS_SUFFIXES or not path.is_file():
        return path.suffix in KERAS_SUFFIXES
    with path.open("rb") as file:
        return file.read(8).startswith((b"\x89HDF", b"PK\x03\x04"))


@dataclass(frozen=True)
class LadderTarget:
    """The files that the accuracy ladder is made of; nothing has been read yet but the manifest."""

    model: Path
    float_model: Path
    prepared: Path | None
    """The float model that it was written from, where the run has it: its activations have the same names."""
    qat: Path | None
    keras: Path | None
    keras_qat: Path | None
    trusted: bool
    """Whether code that came with the Keras models may run."""
    recipe: Recipe
    run: Run | None
    """Where results are written."""


def has_recipe(given: Path | None, recipe: str | None) -> bool:
    """Whether there is data for a model: of the run that it lies in, or by a recipe."""
    return recipe is not None or bool(Run(model_file(given).parent).manifest.get("recipe"))


def for_ladder(
    given: Path | None,
    reference: Path | None = None,
    recipe: str | Recipe | None = None,
    overrides: Sequence[str] = (),
    *,
    keras: bool = True,
) -> LadderTarget:
    """Find the files that `pipeline verify` compares.

    Args:
        given: A run folder or a quantized .tflite; None: the newest run.
        reference: The float .tflite; None: that of the run.
        recipe: Whose data and promises, by name or itself; None: the run's.
        overrides: `section.key=value` settings laid over the recipe.
        keras: Take the run's Keras models too.

    Raises:
        InputError: no run yet, no reference, or no recipe.
    """
    model = model_file(given)
    target = locate(model)
    opened = recipe if isinstance(recipe, Recipe) else target.recipe(recipe, overrides)

    def of_run(name: str) -> Path | None:
        there = target.run is not None and reference is None and target.run.path(name).is_file()
        return model.parent / name if there else None

    float_model = reference if reference is not None else of_run(FLOAT)
    if float_model is None:
        raise InputError(
            f"There is no float model to hold {model} against: give the one it was made from with "
            f"--reference FLOAT.tflite{'' if target.run is None else f' (the run has no {FLOAT})'}."
        )
    qat = of_run(QAT)
    float_keras = keras_of(target.run) if keras and target.run is not None and reference is None else None
    own = float_keras is None or (target.run is not None and _own_file(target.run, float_keras))
    return LadderTarget(
        model=model,
        float_model=float_model,
        prepared=None if qat else of_run(PREPARED),
        qat=qat,
        keras=float_keras,
        keras_qat=of_run(QAT_KERAS) if keras and qat else None,
        trusted=own or opened.model.trust,
        recipe=opened,
        run=target.run,
    )
