"""What a sensitivity analysis is pointed at: a run with its float model and ranges, or a float .tflite and a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.conversion.import_float import import_float
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.ranges import Ranges
from pipeline.workflow.run_folder import MANIFEST, Run, newest, recipe_of, root, sha256
from pipeline.workflow.stages import EVALUATION_CHUNK, PREPARED, RANGES


@dataclass(frozen=True, eq=False)
class Target:
    """A model, opened for the analysis."""

    content: bytes
    """A float flatbuffer as the formats are written from it."""
    ranges: Ranges
    batches: Iterator[NDArray[np.float32]]
    """The first calibration examples, float32 [B, ...]; can be gone through once."""
    export: tuple[str, ...]
    """The arguments by which `pipeline export` writes this model."""


def resolve(
    target: Path | None, recipe: str | None, overrides: Sequence[str], examples: int, track: Track = quiet
) -> Target:
    """Open a run or a file. The ranges of a file are measured: the smallest and largest calibration value.

    Args:
        target: A run folder or a float .tflite; None: the newest run.
        recipe: Name or file of the recipe whose data is used; None: that of the run.
        overrides: `section.key=value` settings laid over the recipe.
        examples: Calibration examples to analyze, at most. Ranges are measured on all of them.
        track: Progress of that.

    Raises:
        InputError: nothing there, a run that has no float model yet, a quantized model, no recipe, or data that
            cannot be used.
    """
    given = target if target is not None else newest(root()).folder
    if given.is_dir():
        content, ranges = _of_run(Run(given))
        data = load(recipe_of(recipe, list(overrides), [given / PREPARED]).data)
        export: tuple[str, ...] = (str(given),)
    else:
        content, learned = _of_file(given)
        data = load(recipe_of(recipe, list(overrides), [given]).data)
        inputs = (batch.x for batch in data.batches("calibration", EVALUATION_CHUNK))
        ranges = calibrate(content, inputs, examples=data.size("calibration"), track=track)
        ranges = learned.over(ranges) if learned else ranges
        settings = [part for setting in overrides for part in ("--set", setting)]
        export = (str(given), "--recipe", recipe, *settings) if recipe else (str(given.parent),)
    return Target(content, ranges, _first(data, examples), export)


def _of_run(run: Run) -> tuple[bytes, Ranges]:
    if not run.path(MANIFEST).is_file():
        raise InputError(f"'{run.folder}' is no run folder, it has no {MANIFEST}: give a run or a float .tflite.")
    outputs = run.manifest.get("stages", {}).get("flatbuffers", {"outputs": {}})["outputs"]
    paths = {name: run.path(name) for name in (PREPARED, RANGES)}
    if not all(name in outputs and path.is_file() for name, path in paths.items()):
        raise InputError(f"The run '{run.folder}' has no {PREPARED} and {RANGES} yet: run its recipe to the end.")
    changed = [name for name, path in paths.items() if sha256(path) != outputs[name]]
    if changed:
        raise InputError(
            f"The run '{run.folder}' did not write its {' and '.join(changed)} as found: the content is not what "
            f"{MANIFEST} records. Run its recipe, or the export that made it, again."
        )
    return paths[PREPARED].read_bytes(), Ranges.load(paths[RANGES])


def _of_file(path: Path) -> tuple[bytes, Ranges]:
    """The float model that `pipeline export` makes of a float file, before corrections, and what QAT left in it."""
    found = import_float(path)
    return found.content, found.ranges


def _first(data: Dataset, examples: int) -> Iterator[NDArray[np.float32]]:
    for batch in data.batches("calibration", min(examples, EVALUATION_CHUNK)):
        yield batch.x[:examples]
        examples -= len(batch.x)
        if examples <= 0:
            return
