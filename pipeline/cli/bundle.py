"""`pipeline bundle`: a model with all that an app needs to use it right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle


def bundle(
    target: Annotated[
        Path | None, typer.Argument(metavar="[RUN|FILE]", help="A run, or a .tflite file; the newest run by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="ZIP", help="The model's name with .zip by default.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="RECIPE", help="Whose preprocessing and test examples; the run's own by default."
        ),
    ] = None,
    overrides: Overrides = None,
    examples: Annotated[int, typer.Option("--examples", min=1, max=100, help="Golden examples.")] = 3,
    noise: Annotated[
        bool, typer.Option("--noise", help="Golden vectors of seeded noise: no example of the data leaves the house.")
    ] = False,
    package: Annotated[
        str, typer.Option("--package", metavar="NAME", help="Of the Java and Kotlin sources.")
    ] = "dev.kerasint8.contract",
    json: AsJson = False,
) -> None:
    """Pack a model for an app: labels, preprocessing, scales, golden vectors, and the Java and Kotlin that use them.

    Example: pipeline bundle runs/mobilenet -o mobilenet.zip
    Example: pipeline bundle model.tflite --noise --package com.example.app
    """
    from pipeline.bundle.bundle import bundle as pack
    from pipeline.cli import show
    from pipeline.progress import bar
    from pipeline.workflow.bundle_target import resolve

    found = resolve(target, recipe, overrides or [], noise=noise)
    made = pack(
        found.model,
        output or Path(f"{found.name}.zip"),
        recipe=found.recipe,
        labels=found.labels,
        examples=examples,
        package=package,
        track=bar,
    )
    if json:
        show.as_json(made.to_json())
    else:
        _print(made)


def _print(made: Bundle) -> None:
    from pipeline.cli import show

    contract = made.contract
    typer.echo(
        f"{made.path}: {show.size(made.size_bytes)}, {len(made.files)} files, model sha256 {made.model_sha256[:12]}"
    )
    ends = (("input", contract.input), ("output", contract.output))
    show.table(
        ["", "type", "shape", "scale", "zero point"],
        [
            (
                name,
                port.dtype,
                "x".join(map(str, port.shape)),
                "–" if port.scale is None else f"{port.scale:.6g}",
                "–" if port.zero_point is None else str(port.zero_point),
            )
            for name, port in ends
        ],
    )
    described = contract.to_json()
    before, after = described["preprocessing"], described["postprocessing"]
    size = (
        ""
        if before["size"] is None
        else f"{before['size'][0]}x{before['size'][1]} ({before['resize'] or 'resize not recorded'}), "
    )
    typer.echo(
        f"before: {size}{before['formula']}; after: {after['apply'] or 'nothing, it ends in ' + after['ending']}"
    )
    exact = "byte for byte under XNNPACK" if contract.bit_exact else "nearly: it computes in float"
    origin = "of the recipe's data" if made.from_data else "of seeded noise"
    typer.echo(f"golden: {made.examples} examples {origin}, to be met {exact}")
