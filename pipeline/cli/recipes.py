"""`pipeline recipes`: list them, show one, print the JSON Schema."""

from __future__ import annotations

import typer

from pipeline.cli.options import AsJson, Overrides, RecipeName
from pipeline.cli.show import echo

app = typer.Typer(no_args_is_help=True, help="The recipes: list, show, schema.")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List the recipes found in recipes/.

    Example: pipeline recipes list
    """
    from pipeline import recipe
    from pipeline.cli import show

    found = {name: recipe.load(str(path)) for name, path in recipe.available().items()}
    if json:
        show.as_json({name: entry.model_dump(mode="json") for name, entry in found.items()})
        return
    width = max(map(len, found), default=0) + 2
    for name, entry in found.items():
        echo(f"{name:{width}}{entry.description}")


@app.command("show")
def show_(name: RecipeName, overrides: Overrides = None, json: AsJson = False) -> None:
    """Show a recipe with every key, defaults included.

    Example: pipeline recipes show mobilenet --set train.epochs=3
    """
    import yaml

    from pipeline import recipe
    from pipeline.cli import show

    content = recipe.load(name, overrides or []).model_dump(mode="json")
    if json:
        show.as_json(content)
    else:
        echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip())


@app.command("schema")
def schema() -> None:
    """Print the recipes' JSON Schema, for editors.

    Example: pipeline recipes schema > recipe.schema.json
    """
    from pipeline.cli import show
    from pipeline.recipe import Recipe

    show.as_json(Recipe.model_json_schema())
