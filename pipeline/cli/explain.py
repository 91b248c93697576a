"""`pipeline explain`: why is int8 slow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson
from pipeline.cli.show import echo
from pipeline.errors import readable

if TYPE_CHECKING:
    from pipeline.benchmarking.profile.explain import Explanation, OperatorTime

NAME_WIDTH = 28


def explain(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A quantized .tflite file, or a run; the newest run by default."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The float .tflite; that of the run by default.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: .png, .svg or .pdf.")] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, max=10**9, metavar="N", help="Show the N longest; JSON has them all.")
    ] = 20,
    runs: Annotated[int, typer.Option("--runs", min=1, max=10**7, help="Profiled inferences of each model.")] = 50,
    json: AsJson = False,
) -> None:
    """Time every operator beside the float model's, and say why those that are slow are.

    Example: pipeline explain runs/mobilenet --plot explain.png
    Example: pipeline explain model_int8.tflite --reference model.tflite
    """
    from pipeline.benchmarking.profile.explain import explain as stage
    from pipeline.cli import show
    from pipeline.report import explain_plot, sensitivity_plot
    from pipeline.workflow import targets

    if plot is not None:
        sensitivity_plot.check(plot)
    model = targets.model_file(file)
    found = stage(model, reference or targets.float_beside(model), runs=runs)
    if json:
        show.as_json(found.to_json())
    else:
        _print(found, top)
    if plot is not None:
        explain_plot.plot(found, plot)
        show.say(f"drawn: {plot}")


def _print(found: Explanation, top: int) -> None:
    from pipeline.cli import show

    if found.unprofiled:
        whole = show.milliseconds(found.inference_us / 1000)
        echo(f"{found.model}: {found.text}; an inference takes {whole}")
        echo(f"No operator could be timed. {found.unprofiled}")
        _table(found.operators[:top], False)
        return
    line = f"{found.model}: {found.text}; its operators take {show.milliseconds(found.total_us / 1000)}"
    if found.reference_us:
        ratio = found.reference_us / found.total_us
        line += f", float {show.milliseconds(found.reference_us / 1000)}: {ratio:.2f} times as fast"
    echo(line)
    echo(
        f"XNNPACK runs {show.percent(found.delegated)} of the operators, {show.percent(found.delegated_time)} of their "
        f"time; {found.host.cpu}, 1 thread, {found.runs} inferences in turns"
    )
    if not found.host_has_dot_products:
        has = ", ".join(found.host.int8) or "no int8 instructions"
        echo(f"This host ({has}) has no int8 dot product: what int8 gains here says little of a phone that has one.")
    _table(found.worst_first()[:top], found.reference is not None)
    rest = len(found.operators) - top
    if rest > 0:
        share = sum(op.share for op in found.worst_first()[top:])
        echo(f"and {rest} more operators, {show.percent(share)} of the time (--top)")
    if found.reference is None:
        echo("Without the float model's times: give it with --reference.")
    if found.gains is not None:
        gains = ", ".join(f"{name} {gain:.1f}x" for name, gain in found.gains.items())
        echo(
            "ARM, an estimate: in int8 the multiplications take so many times fewer instructions than in float: "
            f"{gains}. A bound, not a latency; SDOT and SMMLA above are the same for each operator."
        )


def _table(operators: tuple[OperatorTime, ...], with_float: bool) -> None:
    """Reasons are sentences: they fold, numbers do not."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from pipeline.cli import show

    sheet = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    sheet.add_column("operator", overflow="fold")
    for column in ("type", "µs", *(["float µs"] if with_float else []), "share", "MMAC", "SDOT", "SMMLA"):
        sheet.add_column(column, justify="right", no_wrap=True)
    sheet.add_column("why", overflow="fold", min_width=24)
    for op in operators:
        gains = op.gains or {}
        sheet.add_row(
            f"{op.index} {show.shorten(readable(op.short), NAME_WIDTH)}",
            readable(op.type),
            f"{op.us:.1f}" if op.ran else "fused",
            *([("–" if op.float_us is None else f"{op.float_us:.1f}")] if with_float else []),
            show.percent(op.share),
            f"{op.macs / 1e6:.2f}" if op.macs else "–",
            *(f"{gains[name]:.1f}x" if name in gains else "–" for name in ("dotprod", "i8mm")),
            readable("; ".join(op.reasons)),
        )
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else show.PIPE_WIDTH).print(sheet)
