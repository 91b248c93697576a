"""`pipeline evaluate`: accuracy on held-out data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import AsJson, Overrides


def evaluate(
    models: Annotated[
        list[Path] | None, typer.Argument(help=".tflite files, or a run; the newest run by default.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data; the run's own by default.")
    ] = None,
    overrides: Overrides = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="Agreement and difference are against this.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation or test.")] = "test",
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Examples in one call of the model.")] = 8,
    xnnpack: Annotated[bool, typer.Option("--xnnpack/--no-xnnpack")] = True,
    json: AsJson = False,
) -> None:
    """Top-1, top-5, agreement with a reference and the paired difference with its 95 % interval.

    Example: pipeline evaluate runs/mobilenet/int8.tflite --reference runs/mobilenet/float.tflite
    """
    from pipeline.cli import show
    from pipeline.data import load
    from pipeline.evaluation.classify import evaluate_many
    from pipeline.progress import bar
    from pipeline.workflow import targets

    files = targets.model_files(models or [])
    data = load(targets.recipe_of(recipe, overrides or [], list(files.values())).data)
    against = "float" if reference is None and "float" in files else None
    shown = list(files)
    if reference is not None:
        against = next((name for name, path in files.items() if path == reference), f"reference {reference}")
        files[against] = reference
    results = evaluate_many(
        files, data.batches(split, 32), against, threads=threads, batch_size=batch, track=bar, xnnpack=xnnpack
    )
    if data.skipped:
        show.say(f"{len(data.skipped)} examples could not be read and were left out: {', '.join(data.skipped)}")
    if json:
        blocks = {name: result.to_json() for name, result in results.items() if name in shown}
        show.as_json(next(iter(blocks.values())) if len(blocks) == 1 else blocks)
        return
    show.table(
        ["model", "top-1", "95 % interval", "top-5", "agreement", "vs reference, points", "size"],
        [
            (
                name,
                show.percent(result.top1),
                " – ".join(f"{100 * end:.1f}" for end in result.interval),
                show.percent(result.top5),
                show.percent(result.agreement),
                show.points(result.difference.to_json() if result.difference else None),
                show.size(result.size_bytes),
            )
            for name, result in results.items()
        ],
        title=f"{next(iter(results.values())).n} examples of the {split} split",
    )
