"""`pipeline verify --arm`: an int8 model under the real ARM kernels, without a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson

if TYPE_CHECKING:
    from pipeline.verify.arm.result import ProfileResult


def verify(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="An int8 .tflite, or a run.")] = None,
    profiles: Annotated[
        list[str] | None, typer.Argument(metavar="[PROFILE]...", help="armv8.0 dotprod i8mm a55; all by default.")
    ] = None,
    arm: Annotated[bool, typer.Option("--arm", help="Emulate ARM.")] = False,
    reference: Annotated[
        Path | None, typer.Option("--float", metavar="FILE", help="The float model, counted beside.")
    ] = None,
    examples: Annotated[int, typer.Option("--examples", min=1, help="Test examples; random values without a run.")] = 4,
    json: AsJson = False,
) -> None:
    """Compare an int8 model under ARM's kernels with this host's, byte by byte.

    Example: pipeline verify runs/mobilenet --arm dotprod
    """
    from pipeline import run
    from pipeline.cli import show
    from pipeline.errors import InputError
    from pipeline.progress import bar
    from pipeline.verify.arm import inputs
    from pipeline.verify.arm.emulate import run_profiles
    from pipeline.verify.arm.profiles import chosen

    if not arm:
        raise InputError("Say what to verify with: --arm emulates ARM's kernels.")
    chosen(profiles or [])
    model = run.model_file(file)
    results = run_profiles(
        model,
        inputs.examples_for(model, examples),
        profiles or [],
        float_model=reference or inputs.float_of(model),
        track=bar,
        say=show.say,
    )
    if json:
        show.as_json([result.to_json() for result in results])
    else:
        _print(results)
    if any(result.failed for result in results):
        raise typer.Exit(1)


def _print(results: tuple[ProfileResult, ...]) -> None:
    from pipeline.cli import show
    from pipeline.verify.arm import show as words

    show.table(words.COLUMNS, [words.row(result) for result in results])
    for line in words.notes(results):
        typer.echo(line)
