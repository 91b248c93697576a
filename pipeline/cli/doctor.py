"""`pipeline doctor`: what is between a model and int8, or what is wrong with the calibration data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides, Trust, with_trust
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.finding import Diagnosis


def doctor(
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TARGET]",
            help="A .keras or .h5 file, a SavedModel, a run or a recipe; with --data a run or a .tflite file. The "
            "newest run by default.",
        ),
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Examine the calibration data, not the model.")] = False,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="With --data: whose; the run's own by default.")
    ] = None,
    overrides: Overrides = None,
    trust: Trust = False,
    json: AsJson = False,
) -> None:
    """Say what is between a Keras model and int8, layer by layer, and what is done about it; or examine the data.

    Exit status 1 where there is an error among the findings: something that cannot be mended.

    Example: pipeline doctor model.keras
    Example: pipeline doctor downloaded.h5 --trust
    Example: pipeline doctor --data
    Example: pipeline doctor model.tflite --data --recipe mobilenet --set data.preprocess.scale=0..1
    """
    from pipeline.cli import show

    if data:
        title, diagnosis = _of_data(target, recipe, overrides or [])
    else:
        title, diagnosis = _of_model(target, recipe, with_trust(overrides, trust))
    if json:
        show.as_json(diagnosis.to_json())
    else:
        echo(title)
        _print(diagnosis)
    if diagnosis.failed:
        raise typer.Exit(1)


def _of_data(target: Path | None, recipe: str | None, overrides: list[str]) -> tuple[str, Diagnosis]:
    from pipeline.progress import bar
    from pipeline.workflow.command_targets import for_data
    from pipeline.workflow.examination import examine_data

    found = for_data(target, recipe, overrides)
    diagnosis = examine_data(found, bar)
    counts = ", ".join(f"{count} {split} examples" for split, count in diagnosis.examples.items())
    return f"{found.model}: {counts}", diagnosis


def _of_model(target: Path | None, recipe: str | None, overrides: list[str]) -> tuple[str, Diagnosis]:
    from pipeline.cli import show
    from pipeline.errors import InputError
    from pipeline.workflow.command_targets import for_keras_model
    from pipeline.workflow.examination import examine_model

    if recipe is not None:
        raise InputError("--recipe names the data of --data. To examine a recipe's model: pipeline doctor RECIPE.")
    chosen = for_keras_model(target, overrides)
    found = examine_model(chosen, show.say)
    return f"{target or chosen.source}: {found.name}, {found.parameters:,} parameters", found.diagnosis


def _print(diagnosis: Diagnosis) -> None:
    from pipeline.cli import show

    if diagnosis.findings:
        show.findings(diagnosis.findings)
    else:
        echo("nothing found")
    echo(f"checked: {'; '.join(diagnosis.checked)}")
    if diagnosis.left_out:
        echo(f"not checked: {'; '.join(diagnosis.left_out)}")
