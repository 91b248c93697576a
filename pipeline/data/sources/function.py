"""`module:function`: examples from the user's own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import importing
from pipeline.data.sources.arrays import Stored, source_of_arrays
from pipeline.data.sources.source import SPLIT_OF, Source
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data

ANSWER = '{"train": (x, y), "test": (x, y), …}, optionally with "class_names": [...]'


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """Call the function without arguments; modules in the current directory are found.

    It returns a dictionary of splits (train, calibration, validation, test), each (x, y) with x an array or
    anything with a length and integer indexing, and y class indices; and optionally "class_names".

    Raises:
        InputError: the function is not found, raises, or answers something else.
    """
    function = _find(data.source)
    try:
        answer = function()
    except Exception as error:
        raise InputError(f"data.source: {data.source} raised {type(error).__name__}: {error}.") from error
    if not isinstance(answer, dict):
        raise InputError(f"data.source: {data.source} must return {ANSWER}, not {type(answer).__name__}.")
    splits = {key: value for key, value in answer.items() if key != "class_names"}
    arrays: dict[str, tuple[Stored, Any]] = {}
    for key, value in splits.items():
        if key not in SPLIT_OF:
            raise InputError(
                f"data.source: {data.source} returned an unknown split '{key}'."
                f"{did_you_mean(str(key), SPLIT_OF)} It must return {ANSWER}."
            )
        arrays[SPLIT_OF[key]] = _pair(value, f"data.source: {data.source} returned for '{key}'")
    return source_of_arrays(arrays, names, _class_names(answer.get("class_names"), data.source))


def _find(source: str) -> Callable[[], Any]:
    module_name, _, function_name = source.partition(":")
    try:
        module = importing.module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == module_name.split(".")[0]:
            raise InputError(
                f"data.source '{source}': there is no Python module '{module_name}' in {Path.cwd()} or "
                "installed. Sources with a colon are keras:NAME, tfds:NAME and module:function."
            ) from error
        raise InputError(
            f"data.source '{source}': importing {module_name} raised {type(error).__name__}: {error}."
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        public = [name for name in vars(module) if callable(getattr(module, name)) and name[0] != "_"]
        raise InputError(
            f"data.source: the module {module_name} has no function '{function_name}'."
            f"{did_you_mean(function_name, public)}"
        )
    return function  # type: ignore[no-any-return]


def _pair(value: Any, returned: str) -> tuple[Stored, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{returned} a {type(value).__name__}, not a pair (x, y).")
    x, y = value
    for name, part in (("x", x), ("y", y)):
        if not hasattr(part, "__len__") or not hasattr(part, "__getitem__"):
            raise InputError(
                f"{returned} a {type(part).__name__} as {name}; it needs a length and integer indexing, "
                "as arrays and lists have."
            )
    return x, y


def _class_names(names: Any, source: str) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"data.source: {source} returned class_names that are not a list of strings.")
    return tuple(names)
