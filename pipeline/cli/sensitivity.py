"""`pipeline sensitivity`: which operators lose most to int8."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides
from pipeline.cli.show import echo
from pipeline.errors import readable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity


def sensitivity(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="[TARGET]", help="A run folder or a float .tflite file; the newest run by default."),
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    examples: Annotated[
        int, typer.Option("--examples", min=1, max=10**9, help="Calibration examples to measure on.")
    ] = 32,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=10**9, metavar="N", help="Show the N worst; JSON has them all.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="Whose data, and min-max ranges for a file; the run's own."),
    ] = None,
    overrides: Overrides = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024)] = 2,
    json: AsJson = False,
) -> None:
    """Quantize each operator alone, and say what that does to its own output and to the model's; the worst first.

    Example: pipeline sensitivity --top 10 --plot sensitivity.png
    Example: pipeline sensitivity model.tflite --recipe mobilenet
    """
    from pipeline.cli import show
    from pipeline.progress import bar
    from pipeline.quantization.sensitivity.algorithm import analyze
    from pipeline.report import sensitivity_plot
    from pipeline.workflow.analysis_model import open_for_analysis

    if plot is not None:
        sensitivity_plot.check(plot)
    opened = open_for_analysis(target, recipe, overrides or [], examples, bar)
    found = analyze(opened.content, opened.ranges, opened.batches, task=opened.task, track=bar, threads=threads)
    if json:
        show.as_json(found.to_json())
    else:
        _print(found, top, opened.export, opened.kept)
    if plot is not None:
        sensitivity_plot.plot(found, plot, top=top)
        show.say(f"drawn: {plot}")


def _print(found: Sensitivity, top: int | None, export: Sequence[str], kept: Collection[str]) -> None:
    import shlex

    ranked = found.worst_first()
    echo(f"each of {len(ranked)} operators alone in int8, {found.examples} examples")
    _table(ranked[:top])
    echo(
        "own, output: signal to quantization noise of the operator's and of the model's output (its logits); "
        "changed: " + ("share of other answers" if found.metric == "top1" else "how far the task's answers change")
    )
    already = [operator.short for operator in ranked if operator.name in kept]
    if already:
        echo(f"Kept out of int8 by this model's rules already: {', '.join(already)}")
    worst = next((operator for operator in ranked if operator.name not in kept), None)
    if worst is not None and worst.output_sqnr_db < math.inf:
        rule = f"{worst.short}=float32"
        echo(f"Keep the worst in float: {shlex.join(['pipeline', 'export', *export, '--int8', '--keep', rule])}")


def _table(operators: Sequence[OperatorError]) -> None:
    """Long names fold where there is no room, numbers never."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from pipeline.cli import show

    sheet = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    sheet.add_column("operator", overflow="fold")
    for column in ("type", "own dB", "cosine", "output dB", "changed"):
        sheet.add_column(column, justify="right", no_wrap=True)
    for operator in operators:
        sheet.add_row(*map(readable, _row(operator)))
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else show.PIPE_WIDTH).print(sheet)


def _row(operator: OperatorError) -> tuple[str, ...]:
    from pipeline.cli import show

    return (
        operator.short,
        operator.type,
        _decibels(operator.sqnr_db, "exact"),
        f"{operator.cosine:.5f}",
        _decibels(operator.output_sqnr_db, "–"),
        show.percent(operator.changed),
    )


def _decibels(value: float, noiseless: str) -> str:
    if math.isfinite(value):
        return f"{value:.1f}"
    return noiseless if value > 0 else "lost"
