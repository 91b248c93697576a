"""`pipeline train` and `pipeline qat`: the road as far as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipeline.cli.options import Overrides, RecipeName, RunName

if TYPE_CHECKING:
    from pipeline.road import Trip


def train(recipe: RecipeName, overrides: Overrides = None, run: RunName = None) -> None:
    """Train a recipe's float model (or take its weights as they are).

    Example: pipeline train mobilenet --set train.epochs=3
    """
    from pipeline import road

    trip = start(recipe, overrides, run)
    road.describe(trip)
    road.train(trip)
    typer.echo(trip.run.path(road.FLOAT_KERAS))


def qat(recipe: RecipeName, overrides: Overrides = None, run: RunName = None) -> None:
    """Train a recipe's float model and fine-tune it quantization-aware.

    Example: pipeline qat mobilenet --set qat.epochs=2
    """
    from pipeline import road

    trip = start(recipe, overrides, run)
    road.describe(trip)
    road.train(trip)
    road.qat(trip)
    typer.echo(trip.run.path(road.QAT_KERAS))


def start(recipe: str, overrides: list[str] | None, run: str | None, *, suffix: str = "") -> Trip:
    """The trip of a recipe: its folder is `runs/NAME` (a worker's is a temporary one), progress goes to stderr.

    Raises:
        InputError: the recipe trains in several processes and TF_CONFIG does not say which this is.
    """
    from pipeline import cluster
    from pipeline.cli.show import say
    from pipeline.progress import bar
    from pipeline.recipe import load
    from pipeline.road import Trip
    from pipeline.run import Run, root

    loaded = load(recipe, overrides or [])
    worker = cluster.worker_of(loaded)
    folder = cluster.folder_for(worker, root() / (run or loaded.name + suffix))
    typer.echo(f"{loaded.name} → {folder}/", err=True)
    return Trip(loaded, Run(folder), bar, say)
