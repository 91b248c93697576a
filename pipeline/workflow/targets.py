"""What a path that a command is given stands for: a run folder, a file, or by default the newest run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import recipe as recipes
from pipeline.errors import InputError
from pipeline.files import check_ordinary
from pipeline.recipe import Recipe
from pipeline.workflow.run_folder import (
    FLOAT,
    FLOAT_KERAS,
    MANIFEST,
    RANGES,
    Run,
    newest,
    root,
)

if TYPE_CHECKING:
    pass

INT8 = "int8.tflite"
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
