"""`pipeline search`: the fewest operators to keep out of int8 for an accuracy budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from pipeline.cli.options import AsJson, finite
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.evaluation.statistics import Difference
    from pipeline.quantization.search.search_result import Found, Step
    from pipeline.recipe import Compute
    from pipeline.tasks.task import Metric

_NAMES_SHOWN = 3


def search(
    target: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run folder; the newest run by default.")
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop",
            min=0,
            max=1e9,
            callback=finite,
            metavar="POINTS",
            help="Points of the task's first metric that int8 may lose.",
        ),
    ] = 0.5,
    split: Annotated[str | None, typer.Option("--split", help="Where it is measured; validation by default.")] = None,
    compute: Annotated[
        str, typer.Option("--as", metavar="TYPE", help="What kept operators compute in: float16, float32 or int16x8.")
    ] = "float16",
    sure: Annotated[
        bool, typer.Option("--sure", help="Hold the 95 % interval to the budget, not only the estimate.")
    ] = False,
    models: Annotated[
        int,
        typer.Option(
            "--models", min=1, max=10**9, metavar="N", help="Models to write and measure before the search ends."
        ),
    ] = 60,
    seconds: Annotated[float | None, typer.Option("--budget", hidden=True)] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024)] = 2,
    json: AsJson = False,
) -> None:
    """Find the fewest operators that must leave int8 so that the task's metric drops by no more than a budget.

    Writes search.tflite, the smallest such model, and search.json into the run. Exit status 1 where there is none.

    Example: pipeline search --max-drop 0.5 --plot search.png
    """
    from pipeline.cli import show
    from pipeline.errors import InputError, PipelineError
    from pipeline.progress import bar
    from pipeline.workflow import search_stage
    from pipeline.workflow.search import Budget

    if seconds is not None:
        raise InputError(
            "--budget ended the search after some seconds, so that its answer depended on how busy the machine was. "
            "Say how many models it may try: --models N."
        )
    outcome = search_stage.search_run(
        target,
        Budget(max_drop, split, cast("Compute", compute), sure, models),
        plot,
        threads=threads,
        track=bar,
        say=show.say,
    )
    found = outcome.found
    if json:
        show.as_json(found.to_json())
    else:
        _print(found, outcome.folder)
    if plot is not None:
        show.say(f"drawn: {plot}")
    if found.chosen is None:
        raise PipelineError(search_stage.failure(found))


def _print(found: Found, folder: Path) -> None:
    from pipeline.cli import show
    from pipeline.workflow.search_stage import REPORT

    front, unit = found.front, found.metric.unit_of_points
    rows = [
        (
            "float",
            found.metric.show(found.float_value),
            "–",
            "100.0 %",
            show.size(found.float_size_bytes),
            f"{found.float_latency_ratio:.2f}",
            "",
        )
    ]
    shown = _shown(found)
    rows += [
        (
            f"{len(step.kept)} in {step.compute}" if step.kept else "all int8",
            found.metric.show(step.value),
            _points(found.gain(step), found.metric),
            show.percent(step.agreement),
            show.size(step.size_bytes),
            f"{step.latency_ratio:.2f}",
            " ".join(
                ["chosen"] * (index == found.chosen) + ["front"] * (index in front) + ["over"] * (not step.within)
            ),
        )
        for index, step in shown
    ]
    show.table(
        ["kept", found.metric.label, "vs float", "agrees", "size", "latency", ""],
        rows,
        title=f"budget {_in_unit(f'{found.max_drop:g}', unit)}, {found.examples} {found.split} examples",
    )
    echo(
        f"vs float{f' in {unit}' if unit else ''}, with the 95 % interval of the paired difference; latency on this "
        "host as a ratio to all int8; front: no other is both faster and better; over: over the budget"
        + (f"; {len(found.steps) - len(shown)} further steps are in {REPORT}" if len(found.steps) > len(shown) else "")
    )
    if found.chosen is None:
        return
    _print_answer(found, folder)


def _shown(found: Found) -> list[tuple[int, Step]]:
    """The steps worth a line: all int8, the front, and the answer with all its types."""
    answer = None if found.chosen is None else found.steps[found.chosen].kept
    return sorted(
        (
            (index, step)
            for index, step in enumerate(found.steps)
            if index == 0 or index in found.front or step.kept == answer
        ),
        key=lambda entry: (len(entry[1].kept), entry[0]),
    )


def _print_answer(found: Found, folder: Path) -> None:
    from pipeline.workflow.search_stage import MODEL

    assert found.chosen is not None
    step = found.steps[found.chosen]
    if not step.kept:
        echo(f"The int8 model keeps to the budget as it is. {folder}/{MODEL} is that model.")
    else:
        shown = ", ".join(step.kept[:_NAMES_SHOWN]) + (" …" if len(step.kept) > _NAMES_SHOWN else "")
        early = "; as many models were tried as --models allows, fewer may do" if found.ended_early else ""
        echo(f"{folder}/{MODEL} keeps {len(step.kept)} of {found.candidates} operators out of int8 ({shown}){early}.")
    if found.test is not None:
        from pipeline.evaluation.statistics import Difference
        from pipeline.quantization.search.search_result import gain

        metric, tested = found.metric, found.test["chosen" if "chosen" in found.test else "int8"]
        chosen, int8 = (
            _points(gain(metric, Difference(**block["difference"])), metric) for block in (tested, found.test["int8"])
        )
        echo(
            f"On the test split, which took no part: {metric.show(tested[metric.name])}, "
            f"{_in_unit(chosen, metric.unit_of_points)} vs float; all int8 {int8}."
        )
    if step.kept:
        echo("In a recipe:\nquantize:\n  keep:")
        for rule in found.rules:
            what = [f"match: '{rule.match}'"] if rule.match else []
            what += [f"type: {rule.type}"] if rule.type else []
            echo(f"    - {{{', '.join(what)}, as: {rule.to}}}")


def _points(gained: Difference, metric: Metric) -> str:
    return metric.show_points(gained.value, gained.low, gained.high)


def _in_unit(number: str, unit: str) -> str:
    return f"{number} {unit}".rstrip()
