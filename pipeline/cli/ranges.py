"""`pipeline ranges`: the activation ranges of a run, or where two of them diverge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.quantization.range_differences import Difference
    from pipeline.quantization.ranges import Ranges


def ranges(
    first: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A ranges.json, or a run; the newest run by default.")
    ] = None,
    second: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="Another one of the same model to compare it with.")
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, max=10**9, metavar="N", help="The first N only.")] = None,
    json: AsJson = False,
) -> None:
    """Show activation ranges, or compare two sets of them: the farthest apart first.

    A ranges file is used again with `--set quantize.ranges=FILE`.

    Example: pipeline ranges runs/mine
    Example: pipeline ranges runs/mine runs/other/ranges.json --top 10
    """
    from pipeline.cli import show
    from pipeline.quantization.range_differences import compare
    from pipeline.quantization.ranges import Ranges
    from pipeline.workflow.targets import ranges_file

    found = Ranges.load(ranges_file(first))
    if second is None:
        if json:
            show.as_json({"method": found.method, "ranges": {name: list(pair) for name, pair in found.items()}})
        else:
            _show(found, top)
        return
    other = Ranges.load(ranges_file(second))
    differences = compare(found, other)
    if json:
        show.as_json([difference.to_json() for difference in differences])
    else:
        _compare(found, other, differences[:top])


def _show(found: Ranges, top: int | None) -> None:
    from pipeline.cli import show

    echo(f"{len(found)} activations, {found.method}")
    show.table(["activation", "least", "most"], [(name, *_ends(pair)) for name, pair in list(found.items())[:top]])


def _compare(first: Ranges, second: Ranges, differences: tuple[Difference, ...]) -> None:
    from pipeline.cli import show

    echo(f"first: {first.method}; second: {second.method}")
    rows = []
    for difference in differences:
        ratio = difference.ratio
        rows.append(
            (
                difference.tensor,
                *_ends(difference.first),
                *_ends(difference.second),
                "–" if ratio is None else f"{ratio:.2f}",
            )
        )
    show.table(["activation", "least", "most", "second: least", "most", "width"], rows)
    echo("width: the second's as a multiple of the first's")


def _ends(pair: tuple[float, float] | None) -> tuple[str, str]:
    return ("–", "–") if pair is None else (f"{pair[0]:.4g}", f"{pair[1]:.4g}")
