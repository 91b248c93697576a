"""What a command is pointed at: a run folder, a file, a recipe, or by default the newest run. Resolved here alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import limits
from pipeline import recipe as recipes
from pipeline.errors import InputError, readable
from pipeline.files import check_ordinary
from pipeline.foreign_files import recognize
from pipeline.recipe import Recipe
from pipeline.workflow.run_folder import (
    FLOAT,
    FLOAT_KERAS,
    LABELS,
    MANIFEST,
    PREPARED,
    QAT,
    QAT_KERAS,
    RANGES,
    Run,
    newest,
    root,
)

if TYPE_CHECKING:
    from pipeline.tasks.task import Task

INT8 = "int8.tflite"
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
_INNER = ("qat", "prepared")
"""Models of a run that stand for a step of the work and are not for a phone."""


@dataclass(frozen=True)
class Target:
    """A path that a command was given, or the newest run, and the run that it is or lies in."""

    path: Path
    run: Run | None

    @property
    def is_run(self) -> bool:
        """Whether it is a run folder as a whole."""
        return self.run is not None and self.run.folder == self.path

    def recipe(self, name: str | None, overrides: Sequence[str]) -> Recipe:
        """The recipe by name or file; without one, that of the run.

        Raises:
            InputError: no name is given and there is no run.
        """
        if name is not None:
            return recipes.load(name, list(overrides))
        content = None if self.run is None else self.run.manifest.get("recipe")
        if self.run is None or content is None:
            check_there(self.path)
            raise InputError(f"'{self.path}' is in no run folder: say whose data to use with --recipe RECIPE.")
        for override in overrides:
            recipes.lay_over(content, override)
        return recipes.parse(content, f"the recipe in {self.run.path(MANIFEST)}")


def locate(given: Path | None) -> Target:
    """Find the run that a path is or lies in.

    Args:
        given: Any path, there or not; None: the newest run.

    Raises:
        InputError: None is given and there is no run yet.
    """
    if given is None:
        run = newest(root())
        return Target(run.folder, run)
    for folder in (given, given.parent):
        if (folder / MANIFEST).is_file():
            return Target(given, Run(folder))
    return Target(given, None)


def check_there(path: Path) -> None:
    """
    Raises:
        InputError: there is neither a file nor a folder.
    """
    if not path.exists():
        raise InputError(f"There is no file {path}. Check the path: it takes a model's file or the folder of a run.")
    check_ordinary(path)


def the_run(given: Path | None) -> Run:
    """A run folder; None: the newest.

    Raises:
        InputError: it is none.
    """
    target = locate(given)
    check_there(target.path)
    if not target.is_run or target.run is None:
        raise InputError(f"'{target.path}' is no run folder, it has no {MANIFEST}: give the folder of a run.")
    return target.run


def model_file(given: Path | None) -> Path:
    """The .tflite file meant by a path: itself, or the int8 model of a run (the newest one by default).

    Raises:
        InputError: there is no run yet, or the run has no int8 model.
    """
    target = locate(given)
    if not target.is_run:
        return target.path
    if (target.path / INT8).is_file():
        return target.path / INT8
    raise InputError(f"The run '{target.path}' has no {INT8}: make it with `pipeline export --int8 {target.path}`.")


def model_files(given: Sequence[Path]) -> dict[str, Path]:
    """Files by the name that they get in tables: given ones, or those of a run (the newest one by default).

    Of a run, the float model comes first; QAT's simulation and the prepared float model are left out.

    Raises:
        InputError: there is no run yet, or a run holds no models.
    """
    files: dict[str, Path] = {}
    for target in [locate(path) for path in given] or [locate(None)]:
        if target.is_run:
            found = [path for path in sorted(target.path.glob("*.tflite")) if path.stem not in _INNER]
            found.sort(key=lambda path: path.name != FLOAT)
            if not found:
                raise InputError(f"The run '{target.path}' has no .tflite files: run its recipe to the end.")
        else:
            found = [target.path]
        for path in found:
            # "host" is the machine's own block beside the models' in the JSON.
            name = path.stem if path.stem not in files and path.stem != "host" else str(path)
            files[name] = path
    return files


def keras_of(run: Run) -> Path | None:
    """The run's float Keras model: what it trained, or the file that it was made from where it trained nothing."""
    source = run.manifest.get("stages", {}).get("flatbuffers", {}).get("source")
    if source is None or Path(source).suffix == ".tflite":
        return run.path(FLOAT_KERAS) if run.path(FLOAT_KERAS).is_file() else None
    return Path(source) if Path(source).exists() else None


def float_beside(model: Path) -> Path | None:
    """The float model of the run that a model lies in; None without a run, or for that model itself."""
    target = locate(model)
    beside = model.parent / FLOAT
    return beside if target.run is not None and beside.is_file() and beside != model else None


def name_outside(file: Path) -> str:
    """What a file is called where other runs' files lie too: its own name, after the run's where it is a run's file."""
    target = locate(file)
    return file.name if target.run is None else f"{target.run.folder.resolve().name}-{file.name}"


def ranges_file(given: Path | None) -> Path:
    """The ranges file that is meant: a file itself, or that of a run; None: of the newest run.

    Raises:
        InputError: it is a folder without ranges.
    """
    path = locate(given).path
    if not path.is_dir():
        return path
    if not (path / RANGES).is_file():
        raise InputError(f"'{path}' holds no {RANGES}: give a run that has been exported, or a ranges file.")
    return path / RANGES


def recipe_of(name: str | None, overrides: Sequence[str], files: Sequence[Path]) -> Recipe:
    """The recipe by name, or the one of the run that the first file lies in.

    Raises:
        InputError: no name is given and the file is in no run.
    """
    return locate(files[0]).recipe(name, overrides)


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
