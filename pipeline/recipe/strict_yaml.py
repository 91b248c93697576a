"""YAML as recipes have it: every key once, of a size that a person wrote, and one line about what is wrong."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from pipeline import limits
from pipeline.errors import InputError, one_line


class _Loader(yaml.SafeLoader):
    """As `yaml.safe_load`, which keeps the last of two equal keys and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        merged = [key for key, _ in node.value if key.tag == "tag:yaml.org,2002:merge"]
        own = [key for key, _ in node.value if key not in merged]
        seen: dict[Any, yaml.Node] = {}
        for key in own:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                continue  # which the base class refuses
            if name in seen:
                first = seen[name].start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{name}' stands twice, in lines {first} and {key.start_mark.line + 1}"
                )
            seen[name] = key
        return super().construct_mapping(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        parts = [part for value in merged for part in (value.value if isinstance(value.value, list) else [])]
        mappings = [part for part in (*merged, *parts) if isinstance(part, yaml.MappingNode)]
        for mapping in {id(mapping): mapping for mapping in mappings}.values():
            self.flatten_mapping(mapping)
        if sum(len(mapping.value) for mapping in mappings) > limits.RECIPE_VALUES:
            raise yaml.constructor.ConstructorError(
                None, None, f"what '<<' merges has more than {limits.RECIPE_VALUES:,} keys"
            )
        super().flatten_mapping(node)


def read(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        InputError: it cannot be read, is no YAML, has a key twice, or stands for too much.
    """
    if not path.is_file():
        raise InputError(f"There is no recipe file '{path}'." if not path.exists() else f"'{path}' is no file.")
    try:
        with path.open("rb") as file:
            content = file.read(limits.RECIPE_BYTES + 1)
        if len(content) > limits.RECIPE_BYTES:
            raise InputError(f"'{path}' is no recipe: it is larger than {limits.RECIPE_BYTES >> 10} KB.")
        return parsed(content.decode("utf-8-sig"), f"The recipe {path}")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} cannot be read: {one_line(error, 200)}") from error


def parsed(text: str, what: str) -> Any:
    """The value that YAML text stands for.

    Args:
        text: The YAML.
        what: Begins the message.

    Raises:
        InputError: as `read`.
    """
    try:
        value = yaml.load(text, _Loader)
        _check_size(value, what)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None)
        where = getattr(error, "problem_mark", None)
        shown = error if problem is None or where is not None else problem
        raise InputError(f"{what} is not YAML that can be read: {one_line(shown, 300)}.") from error
    except (ValueError, OverflowError, RecursionError) as error:  # a number of 5,000 digits, brackets 1,000 deep
        raise InputError(f"{what} is not YAML that can be read: {one_line(error, 200).partition(';')[0]}.") from error
    return value


def _check_size(value: Any, what: str) -> None:
    """
    Raises:
        InputError: it has more values than a recipe, counting what anchors repeat, or holds itself.
    """
    left, waiting = limits.RECIPE_VALUES, [value]
    while waiting:
        one = waiting.pop()
        left -= 1
        if left < 0:
            raise InputError(f"{what} stands for more than {limits.RECIPE_VALUES:,} values: it is no recipe.")
        if isinstance(one, dict):
            waiting.extend(one.keys())
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set):
            waiting.extend(one)
