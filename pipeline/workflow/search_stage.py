"""The stage that searches a run for the fewest operators to keep out of int8, and keeps the model that it finds."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pipeline.errors import InputError, did_you_mean
from pipeline.files import PARTIAL, copy, write_text
from pipeline.progress import Track, quiet
from pipeline.quantization.format_check import audit
from pipeline.quantization.search.search_result import Found, show_points
from pipeline.recipe import Compute
from pipeline.report import search_plot
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run
from pipeline.workflow.search import Budget, search
from pipeline.workflow.targets import locate

MODEL, REPORT = "search.tflite", "search.json"


@dataclass(frozen=True)
class Outcome:
    """What was found, and the run that it is in."""

    found: Found
    folder: Path


def search_run(
    target: Path | None,
    budget: Budget,
    plot: Path | None = None,
    *,
    threads: int = 2,
    track: Track = quiet,
    say: Callable[[str], None] = stages.silent,
) -> Outcome:
    """Search, and write `search.json` into the run, and the model as `search.tflite` where there is one.

    Args:
        target: A run folder; None: the newest run.
        budget: What is asked for.
        plot: Where it is drawn: .png, .svg or .pdf.
        threads: Interpreter threads.
        track: Progress.
        say: Told what was tried.

    Raises:
        InputError: no run, a type that operators cannot compute in, a file that cannot be drawn, or as `search`.
        PipelineError: a model cannot be written, or is not what it was written as.
    """
    if budget.compute not in get_args(Compute) or budget.compute == "int8":
        raise InputError(
            f"--as takes float16, float32 or int16x8, not '{budget.compute}'."
            f"{did_you_mean(budget.compute, get_args(Compute))}"
        )
    if plot is not None:
        search_plot.check(plot)
    context = stages.reopen(Run(locate(target).path), track, say)
    folder = context.run.folder
    with tempfile.TemporaryDirectory(prefix=f"{PARTIAL}search-", dir=folder) as models:
        found, answer = search(context, budget, Path(models), threads=threads)
        if answer is not None:
            audit({"int8": answer}, context.recipe.quantize.io, found.rules, context.run.path(stages.PREPARED))
            copy(answer, folder / MODEL)
    write_text(folder / REPORT, json.dumps(found.to_json(), indent=1) + "\n")
    if plot is not None:
        search_plot.plot(found, plot)
    return Outcome(found, folder)


def failure(found: Found) -> str:
    """Why there is no model, where none keeps to the budget, and what to do."""
    best = max(found.steps, key=lambda step: found.gain(step).value)
    kept = f"{len(best.kept)} of {found.candidates} operators in {best.compute}" if best.kept else "all int8"
    why = f"among the {len(found.steps)} models tried" if found.ended_early else "even with all operators kept"
    budget = f"{found.max_drop:g} {found.metric.unit_of_points}".rstrip()
    return (
        f"No model keeps to the budget of {budget} {why}: the best, {kept}, is at "
        f"{show_points(found.metric, found.gain(best).value)} ({found.examples} {found.split} examples). Give a larger "
        "--max-drop" + (", more --models" if found.ended_early else "") + ", or train with QAT."
    )
