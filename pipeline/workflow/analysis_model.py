"""A float model with its ranges and examples, opened to be analyzed: of a run, or of a float .tflite and a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.files import sha256
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.keep import plan
from pipeline.quantization.ptq import FloatModel
from pipeline.quantization.ranges import Ranges
from pipeline.tasks.task import Task
from pipeline.tensors import Tensors, first_examples
from pipeline.tflite.inspect import inspect
from pipeline.workflow.context import EVALUATION_CHUNK, resolve_task
from pipeline.workflow.format_stage import own_rules
from pipeline.workflow.run_folder import MANIFEST, PREPARED, RANGES, Run
from pipeline.workflow.targets import locate


@dataclass(frozen=True, eq=False)
class AnalysisModel:
    """A float model, opened to be analyzed."""

    content: bytes
    """A float flatbuffer as the formats are written from it."""
    ranges: Ranges
    batches: Iterator[Tensors]
    """The first calibration examples, [B, ...] by input name; can be gone through once."""
    task: Task
    """What counts as another answer."""
    export: tuple[str, ...]
    """The arguments by which `pipeline export` writes this model."""
    kept: frozenset[str]
    """Outputs of the operators that the run keeps out of int8 already."""


def open_for_analysis(
    target: Path | None, recipe: str | None, overrides: Sequence[str], examples: int, track: Track = quiet
) -> AnalysisModel:
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
    located = locate(target)
    given = located.path
    own = located.recipe(recipe, overrides)
    if given.is_dir():
        content, ranges = _of_run(Run(given))
        data = load(own.data, trains=own.trains)
        export: tuple[str, ...] = (str(given),)
    else:
        imported = _of_file(given)
        content, learned = imported.content, imported.ranges
        data = load(own.data, trains=own.trains)
        inputs = (batch.inputs for batch in data.batches("calibration", EVALUATION_CHUNK))
        ranges = calibrate(content, inputs, examples=data.size("calibration"), track=track)
        ranges = learned.over(ranges) if learned else ranges
        settings = [part for setting in overrides for part in ("--set", setting)]
        export = (str(given), "--recipe", recipe, *settings) if recipe else (str(given.parent),)
    first = first_examples(data.batches("calibration", min(examples, EVALUATION_CHUNK)), examples)
    task = resolve_task(own, data, content).task
    rules = (*(own_rules(Run(given)) if given.is_dir() else ()), *own.quantize.keep)
    kept = frozenset(operator.output for operator in plan(inspect(content).operators, rules)) if rules else frozenset()
    return AnalysisModel(content, ranges, (batch.inputs for batch in first), task, export, kept)


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


def _of_file(path: Path) -> FloatModel:
    """The float model that `pipeline export` makes of a float file, before corrections, and what QAT left in it."""
    from pipeline.conversion.import_float import import_float

    return import_float(path)
