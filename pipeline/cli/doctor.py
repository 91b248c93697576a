"""`pipeline doctor`: what is wrong with the calibration data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from pipeline.diagnose.finding import Diagnosis

PIPE_WIDTH = 140
"""Columns of the table where the output is no terminal."""


def doctor(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="[TARGET]", help="A run folder or a .tflite file; the newest run by default."),
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Examine the calibration data.")] = False,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data; the run's own by default.")
    ] = None,
    overrides: Overrides = None,
    json: AsJson = False,
) -> None:
    """Say what is wrong with the calibration data, what it will do to the int8 model, and what to do about it.

    Exit status 1 where there is an error among the findings.

    Example: pipeline doctor --data
    Example: pipeline doctor model.tflite --data --recipe mobilenet --set data.preprocess.scale=0..1
    """
    from pipeline.errors import InputError

    if not data:
        raise InputError(
            "Say what to examine: --data is what there is, `pipeline doctor --data` examines calibration data."
        )
    from pipeline.cli import show
    from pipeline.diagnose.calibration_data import diagnose
    from pipeline.diagnose.target import resolve
    from pipeline.progress import bar
    from pipeline.tflite import flatbuffer, metadata

    found = resolve(target, recipe, overrides or [])
    diagnosis = diagnose(flatbuffer.load(found.model), found.recipe.data, metadata.read(found.described), track=bar)
    if json:
        show.as_json(diagnosis.to_json())
    else:
        counts = ", ".join(f"{count} {split} examples" for split, count in diagnosis.examples.items())
        typer.echo(f"{found.model}: {counts}")
        _print(diagnosis)
    if diagnosis.failed:
        raise typer.Exit(1)


def _print(diagnosis: Diagnosis) -> None:
    if diagnosis.findings:
        _table(diagnosis)
    else:
        typer.echo("nothing found")
    typer.echo(f"checked: {'; '.join(diagnosis.checked)}")
    if diagnosis.left_out:
        typer.echo(f"not checked: {'; '.join(diagnosis.left_out)}")


def _table(diagnosis: Diagnosis) -> None:
    """Sentences, so all to the left."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    sheet = Table(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    for name, ratio in (("finding", 4), ("severity", None), ("what it does to the model", 3), ("what to do", 3)):
        sheet.add_column(name, ratio=ratio, no_wrap=ratio is None, overflow="fold")
    for finding in diagnosis.findings:
        sheet.add_row(f"{finding.check}: {finding.message}", finding.severity, finding.effect, finding.remedy)
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(sheet)
