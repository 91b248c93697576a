"""`pipeline train` and `pipeline qat`: a recipe as far as a Keras model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.options import Overrides, RecipeName, RunName, Trust, with_trust
from pipeline.cli.show import echo

if TYPE_CHECKING:
    from pipeline.workflow.context import RunContext


def train(recipe: RecipeName, overrides: Overrides = None, run: RunName = None, trust: Trust = False) -> None:
    """Train a recipe's float model (or take its weights as they are).

    Example: pipeline train mobilenet --set train.epochs=3
    """
    from pipeline.workflow.stages import train_recipe

    echo(train_recipe(start(recipe, with_trust(overrides, trust), run), with_qat=False).files[0])


def qat(recipe: RecipeName, overrides: Overrides = None, run: RunName = None, trust: Trust = False) -> None:
    """Train a recipe's float model and fine-tune it quantization-aware.

    Example: pipeline qat mobilenet --set qat.epochs=2
    """
    from pipeline.workflow.stages import train_recipe

    echo(train_recipe(start(recipe, with_trust(overrides, trust), run), with_qat=True).files[0])


def start(recipe: str, overrides: list[str] | None, run: str | None, *, ptq: bool = False) -> RunContext:
    """The context of a recipe; its folder is said, and progress goes to stderr."""
    from pipeline.cli.show import say
    from pipeline.progress import bar
    from pipeline.workflow.context import start_run

    context = start_run(recipe, overrides or [], run, ptq=ptq, track=bar, say=say)
    echo(f"{context.recipe.name} → {context.run.folder}/", err=True)
    return context
