"""`pipeline evaluate`: how good models are on held-out data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, Overrides
from pipeline.cli.show import echo


def evaluate(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite files, or a run; the newest run by default.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data; the run's own by default.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="Data for a model that is in no run: a folder, an .npz, .npy or .csv file, module:function, or a "
            "recipe. All of it counts where it has no splits.",
        ),
    ] = None,
    overrides: Overrides = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="Agreement and difference are against this.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation or test.")] = "test",
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024)] = 2,
    batch: Annotated[int, typer.Option("--batch", min=1, max=10**6, help="Examples in one call of the model.")] = 8,
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack")] = True,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="FOLDER", help="Draw the examples that come out worst, and confusions."),
    ] = None,
    json: AsJson = False,
) -> None:
    """The task's metrics, agreement with a reference and the paired difference with its 95 % interval.

    Without labels, or with --set task=fidelity, how near models are to --reference.

    Example: pipeline evaluate runs/mobilenet/int8.tflite --reference runs/mobilenet/float.tflite
    Example: pipeline evaluate runs/mobilenet/int8.tflite runs/mobilenet/float.tflite --pictures pictures
    Example: pipeline evaluate model.tflite --data data.npz --reference float.tflite
    """
    from pipeline.cli import show
    from pipeline.cli.metrics_table import Column, interval_column, metric_columns, table, unit_of_difference
    from pipeline.progress import bar
    from pipeline.workflow.evaluation_stage import evaluate_files

    found = evaluate_files(
        models or [],
        recipe,
        overrides or [],
        reference,
        data=data,
        split=split,
        threads=threads,
        batch=batch,
        xnnpack=xnnpack,
        pictures=pictures,
        track=bar,
        say=show.say,
    )
    if json:
        own = found.asked
        show.as_json(next(iter(own.values())) if len(own) == 1 else own)
        return
    task, listed = found.task, list(found.blocks.values())
    first, *others = metric_columns(task, listed, "reference")
    unit = unit_of_difference(task)
    table(
        [
            Column("model", [show.shorten(name, 30) for name in found.blocks]),
            first,
            *interval_column(task, listed),
            *others,
            Column("size", [show.size(block["size_bytes"]) for block in listed]),
        ],
        title=f"{listed[0]['n']} examples of the {split} split",
    )
    if found.against is not None and task["metrics"]:
        echo(f"vs reference{f' in {unit}' if unit else ''}, with the 95 % interval of the paired difference.")
