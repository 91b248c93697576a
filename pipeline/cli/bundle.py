"""`pipeline bundle`: a model with all that an app needs to use it right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle
    from pipeline.bundle.contract import Input, Output
    from pipeline.bundle.located_answer import LocatedAnswer


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
    from pipeline.workflow.command_targets import for_bundle
    from pipeline.workflow.examination import examine_labels

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
    for finding in [] if found.recipe is None else examine_labels(found.model, found.recipe, bar):
        show.say(f"WARNING: {finding}")


def _print(made: Bundle) -> None:
    from pipeline.cli import show

    contract = made.contract
    echo(f"{made.path}: {show.size(made.size_bytes)}, {len(made.files)} files, model sha256 {made.model_sha256[:12]}")
    ends = [("input", one.tensor) for one in contract.inputs] + [("output", one.tensor) for one in contract.outputs]
    names = {} if contract.simple else {"name": [spec.name for _, spec in ends]}
    columns = {
        "": [side for side, _ in ends],
        **names,
        "type": [spec.dtype.name for _, spec in ends],
        "shape": ["x".join(map(str, spec.shape)) for _, spec in ends],
        "scale": ["–" if spec.scale is None else f"{spec.scale:.6g}" for _, spec in ends],
        "zero point": ["–" if spec.scale is None else str(spec.zero_point) for _, spec in ends],
    }
    show.table(list(columns), list(zip(*columns.values(), strict=True)))
    if contract.simple:
        echo(f"before: {_before(contract.inputs[0])}; after: {_after(contract.outputs[0])}")
    else:
        for source in contract.inputs:
            echo(f"before '{source.tensor.name}': {_before(source)}")
        for target in contract.outputs:
            echo(f"after '{target.tensor.name}': {_after(target)}")
    if contract.located is not None:
        echo(f"found in the photo: {_located(contract.located)}")
    exact = "byte for byte under XNNPACK" if contract.bit_exact else "nearly: it computes in float"
    origin = "of the recipe's data" if made.from_data else "of seeded noise"
    echo(f"golden: {made.examples} examples {origin}, to be met {exact}")


def _located(located: LocatedAnswer) -> str:
    said = located.describe()
    names = f" of {len(located.labels)} classes" if located.labels and located.kind != "points" else ""
    if located.kind == "mask":
        return f"a class{names} for each pixel, {said['resize']}"
    if located.kind == "points":
        return f"{said['points']} points from {said['output_holds']}"
    code = "" if located.sources else ", for which there is no code"
    overlap = "" if said["iou_threshold"] is None else f", overlap {said['iou_threshold']:g}"
    return (
        f"boxes{names}, decoded as {said['decode']}{code}; score {said['score_threshold']:g}{overlap}, "
        f"at most {said['max_boxes']}"
    )


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
        return f"{size} ({said.get('resize') or 'resize not recorded'}), {formula}{standard}"
    return f"{formula}{standard}"


def _after(target: Output) -> str:
    if target.reading == "values":
        return "numbers, dequantized" if target.tensor.scale is not None else "numbers, as they are"
    said = target.described()
    return str(said["apply"] or f"nothing, it ends in {said['ending']}")
