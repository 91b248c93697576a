"""`pipeline doctor`: what is wrong with the calibration data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from pipeline.diagnose.finding import Diagnosis


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
    from pipeline.cli import show

    if diagnosis.findings:
        show.findings(diagnosis.findings)
    else:
        typer.echo("nothing found")
    typer.echo(f"checked: {'; '.join(diagnosis.checked)}")
    if diagnosis.left_out:
        typer.echo(f"not checked: {'; '.join(diagnosis.left_out)}")
