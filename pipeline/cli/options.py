"""Options and arguments that several commands share."""

from __future__ import annotations

import math
from typing import Annotated

import typer

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's name (see `pipeline recipes list`) or a YAML file.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe's key, e.g. train.epochs=3. Repeatable."),
]
RunName = Annotated[
    str | None, typer.Option("--run", metavar="NAME", help="Name of the run folder; the recipe's by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that came with the model file: Lambda layers, own classes."),
]


def finite(value: float | None) -> float | None:
    """
    Raises:
        typer.BadParameter: it is no number, or infinite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number that can be kept to.")
    return value


def with_trust(overrides: list[str] | None, trust: bool) -> list[str]:
    """The settings, and `model.trust` where it was said."""
    return [*(overrides or []), *(["model.trust=true"] if trust else [])]
