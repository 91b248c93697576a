"""`pipeline evaluate`: how good models are on held-out data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, Overrides


def evaluate(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite files, or a run; the newest run by default.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data; the run's own by default.")
    ] = None,
    overrides: Overrides = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="Agreement and difference are against this.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation or test.")] = "test",
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Examples in one call of the model.")] = 8,
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack")] = True,
    json: AsJson = False,
) -> None:
    """The task's metrics, agreement with a reference and the paired difference with its 95 % interval.

    Without labels, or with --set task=fidelity, how near models are to --reference.

    Example: pipeline evaluate runs/mobilenet/int8.tflite --reference runs/mobilenet/float.tflite
    """
    from pipeline.cli import show
    from pipeline.cli.metrics_table import Column, interval_column, metric_columns, table, unit_of_difference
    from pipeline.data import load
    from pipeline.errors import InputError
    from pipeline.evaluation.evaluator import evaluate as judge
    from pipeline.progress import bar
    from pipeline.workflow import targets
    from pipeline.workflow.context import resolve_task
    from pipeline.workflow.measurement import task_json

    files = targets.model_files(models or [])
    settings = targets.recipe_of(recipe, overrides or [], list(files.values()))
    data = load(settings.data)
    against = "float" if reference is None and "float" in files else None
    shown = list(files)
    if reference is not None:
        against = next((name for name, path in files.items() if path == reference), f"reference {reference}")
        files[against] = reference
    resolved = resolve_task(settings, data, files[against or shown[0]])
    if not resolved.task.metrics and against is None:
        raise InputError(
            f"There is nothing to judge '{shown[0]}' by: {resolved.reason} Give a model to compare it with by "
            "--reference FILE, or say what it is for with --set task=NAME."
        )
    results = judge(
        files,
        data.batches(split, 32),
        resolved.task,
        against,
        threads=threads,
        batch_size=batch,
        track=bar,
        xnnpack=xnnpack,
    )
    if data.skipped:
        show.say(f"{len(data.skipped)} examples could not be read and were left out: {', '.join(data.skipped)}")
    blocks = {name: result.to_json() for name, result in results.items()}
    if json:
        own = [blocks[name] for name in shown]
        show.as_json(own[0] if len(own) == 1 else dict(zip(shown, own, strict=True)))
        return
    if settings.task == "auto":
        show.say(f"task: {resolved.reason}")
    task, listed = task_json(resolved), list(blocks.values())
    first, *others = metric_columns(task, listed, "reference")
    unit = unit_of_difference(task)
    table(
        [
            Column("model", [show.shorten(name, 30) for name in blocks]),
            first,
            *interval_column(task, listed),
            *others,
            Column("size", [show.size(block["size_bytes"]) for block in listed]),
        ],
        title=f"{listed[0]['n']} examples of the {split} split",
    )
    if against is not None and task["metrics"]:
        typer.echo(f"vs reference{f' in {unit}' if unit else ''}, with the 95 % interval of the paired difference.")
