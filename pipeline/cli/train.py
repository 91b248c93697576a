"""`pipeline train` and `pipeline qat`: the road as far as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pipeline.cli.options import Overrides, RecipeName, RunName

if TYPE_CHECKING:
    from pipeline.workflow.stages import RunContext


def train(recipe: RecipeName, overrides: Overrides = None, run: RunName = None) -> None:
    """Train a recipe's float model (or take its weights as they are).

    Example: pipeline train mobilenet --set train.epochs=3
    """
    from pipeline.workflow import stages

    context = start(recipe, overrides, run)
    stages.describe(context)
    stages.train(context)
    typer.echo(context.run.path(stages.FLOAT_KERAS))


def qat(recipe: RecipeName, overrides: Overrides = None, run: RunName = None) -> None:
    """Train a recipe's float model and fine-tune it quantization-aware.

    Example: pipeline qat mobilenet --set qat.epochs=2
    """
    from pipeline.workflow import stages

    context = start(recipe, overrides, run)
    stages.describe(context)
    stages.train(context)
    stages.qat(context)
    typer.echo(context.run.path(stages.QAT_KERAS))


def start(recipe: str, overrides: list[str] | None, run: str | None, *, suffix: str = "") -> RunContext:
    """The context of a recipe: its folder is `runs/NAME` (a worker's is a temporary one), progress goes to stderr.

    Raises:
        InputError: the recipe trains in several processes and TF_CONFIG does not say which this is.
    """
    from pipeline import cluster
    from pipeline.cli.show import say
    from pipeline.progress import bar
    from pipeline.recipe import load
    from pipeline.workflow.run_folder import Run, root
    from pipeline.workflow.stages import RunContext

    loaded = load(recipe, overrides or [])
    worker = cluster.worker_of(loaded)
    folder = cluster.folder_for(worker, root() / (run or loaded.name + suffix))
    typer.echo(f"{loaded.name} → {folder}/", err=True)
    return RunContext(loaded, Run(folder), bar, say)
