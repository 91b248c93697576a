"""`pipeline bundle`: a model with all that an app needs to use it right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle
    from pipeline.bundle.contract import Input, Output


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
    from pipeline.workflow.targets import for_bundle

    found = for_bundle(target, recipe, overrides or [], noise=noise)
    made = pack(
        found.model,
        output or Path(f"{found.name}.zip"),
        recipe=found.recipe,
        labels=found.labels,
        task=found.task,
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
    from pipeline.tensors import show_shape

    contract = made.contract
    typer.echo(
        f"{made.path}: {show.size(made.size_bytes)}, {len(made.files)} files, model sha256 {made.model_sha256[:12]}"
    )
    ends = [("input", one.tensor) for one in contract.inputs] + [("output", one.tensor) for one in contract.outputs]
    show.table(
        ["", "name", "type", "shape", "scale", "zero point"],
        [
            (
                side,
                spec.name,
                spec.dtype.name,
                show_shape(spec.shape),
                "–" if spec.scale is None else f"{spec.scale:.6g}",
                "–" if spec.scale is None else str(spec.zero_point),
            )
            for side, spec in ends
        ],
    )
    for source in contract.inputs:
        typer.echo(f"{_named('before', source.tensor.name, len(contract.inputs))}: {_before(source)}")
    for target in contract.outputs:
        typer.echo(f"{_named('after', target.tensor.name, len(contract.outputs))}: {_after(target)}")
    exact = "byte for byte under XNNPACK" if contract.bit_exact else "nearly: it computes in float"
    origin = "of the recipe's data" if made.from_data else "of seeded noise"
    typer.echo(f"golden: {made.examples} examples {origin}, to be met {exact}")


def _named(what: str, name: str, count: int) -> str:
    return what if count == 1 else f"{what} '{name}'"


def _before(source: Input) -> str:
    said = source.described()
    standard = "" if source.standard is None else ", standardized by the training data's mean and deviation"
    if source.kind == "audio":
        what = {"mfcc": "MFCCs", "log_mel": "log-mel energies"}.get(said["features"], said["features"])
        return f"{said['samples']} samples at {said['sample_rate']} Hz, {what}{standard}"
    if source.as_integers:
        return "whole numbers, as they are"
    formula = said.get("formula", "numbers")
    if source.kind == "image" and said.get("size"):
        size = "x".join(map(str, said["size"]))
        return f"{size} ({said['resize'] or 'resize not recorded'}), {formula}{standard}"
    return f"{formula}{standard}"


def _after(target: Output) -> str:
    if target.reading == "values":
        return "numbers, dequantized" if target.tensor.scale is not None else "numbers, as they are"
    said = target.described()
    what = f"{target.classes} classes" if target.reading == "classes" else f"{target.classes} labels"
    return f"{what}, {said['apply'] or 'nothing to apply, it ends in ' + said['ending']}"
