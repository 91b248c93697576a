"""Reading a recipe: found by name or path, settings laid over it, checked; errors name the key and the fix."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import InputError, did_you_mean, readable, shortened
from pipeline.recipe import strict_yaml
from pipeline.recipe.schema import Recipe

_MOST_PROBLEMS = 8
"""Named in one message."""


def search_path() -> list[Path]:
    """Folders in which a recipe's bare name is looked up, first match wins."""
    return [
        Path("recipes"),
        Path(__file__).resolve().parents[2] / "recipes",
        Path(sys.prefix) / "share" / "keras-int8-pipeline" / "recipes",
    ]


def available() -> dict[str, Path]:
    """Every recipe found by bare name."""
    found: dict[str, Path] = {}
    for folder in search_path():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def find(name: str) -> Path:
    """The file of a recipe given by name or path.

    Raises:
        InputError: no such recipe.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        if Path(name).is_file():
            return Path(name)
        raise InputError(f"There is no recipe file '{name}'.")
    known = available()
    if name not in known:
        raise InputError(
            f"There is no recipe named '{name}' in {search_path()[0]}/.{did_you_mean(name, known)} "
            "List them with `pipeline recipes list`, or give the path of a .yaml file."
        )
    return known[name]


def load(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        name: A recipe's bare name (`mobilenet`) or the path of a YAML file.
        overrides: `section.key=value` settings laid over the file, the value read as YAML.

    Raises:
        InputError: no such recipe, not YAML, an unknown key or a value out of its bounds.
    """
    path = find(name)
    content = strict_yaml.read(path)
    if not isinstance(content, dict):
        raise InputError(f"The recipe {path} is not a YAML mapping with the keys name, model, data, …")
    for override in overrides:
        lay_over(content, override)
    return parse(content, origin=str(path))


def parse(content: dict[str, Any], origin: str = "the recipe") -> Recipe:
    """Check a recipe's content.

    Raises:
        InputError: an unknown key, with the nearest known one, or a value out of its bounds.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{origin}: {_explain(error)}") from None


def lay_over(content: dict[str, Any], override: str) -> None:
    """Set one `section.key=value` in a recipe's content, the value read as YAML.

    Raises:
        InputError: no equals sign, or a key inside a value.
    """
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes KEY=VALUE, for example train.epochs=3, not '{shortened(override)}'.")
    *sections, last = key.strip().split(".")
    place = content
    for section in sections:
        inner = place.get(section)
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise InputError(f"--set {shortened(override)}: '{section}' is a value, it has no keys of its own.")
        place = inner
    # A file's name that is not UTF-8 is no YAML either, and nothing but a name.
    given = strict_yaml.parsed(value, f"--set {shortened(override)}: the value") if value == readable(value) else value
    place[last] = given


def _explain(error: ValidationError) -> str:
    sentences: list[str] = []
    for problem in error.errors():
        if len(sentences) == _MOST_PROBLEMS:
            sentences.append(f"And {len(error.errors()) - _MOST_PROBLEMS} more.")
            break
        where = [shortened(str(part)) for part in problem["loc"]]
        key = ".".join(where) or "the recipe"
        if problem["type"] == "extra_forbidden":
            hint = did_you_mean(where[-1], _keys_at(where[:-1]))
            sentences.append(f"unknown key '{key}'.{hint}")
        elif problem["type"] == "missing":
            sentences.append(f"'{key}' is missing.")
        else:
            what = problem["msg"].removeprefix("Value error, ").rstrip(".")
            given = problem["input"]
            shown = "" if isinstance(given, dict) else f", not {shortened(repr(given))}"
            sentences.append(f"'{key}': {what[0].lower()}{what[1:]}{shown}.")
    return " ".join(sentences)


def _keys_at(where: list[str]) -> list[str]:
    """The keys of the section at a place of the recipe; places in lists and names in mappings lead through."""
    section: type[BaseModel] = Recipe
    named = False
    for part in where:
        if named or part.isdigit():
            named = False
            continue
        field = section.model_fields.get(part)
        if field is None:
            return []
        named = "dict[" in str(field.annotation)
        section = next((t for t in _types(field.annotation) if issubclass(t, BaseModel)), section)
    return [field.alias or name for name, field in section.model_fields.items()]


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)
