"""`module:function`: examples from the user's own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import importing
from pipeline.data.sources.arrays import Arrays, source_of_arrays
from pipeline.data.sources.source import SPLIT_OF, KnownTarget, Source
from pipeline.errors import InputError, as_input_error, did_you_mean
from pipeline.recipe import Data
from pipeline.tensors import INPUT, TARGET

ANSWER = (
    '{"train": (x, y), "test": (x, y), …}, x and y arrays or mappings of them by name, or x alone where nothing is '
    'known; optionally with "class_names": [...]'
)


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """Call the function without arguments; modules in the current directory are found.

    It returns a dictionary of splits (train, calibration, validation, test), each (x, y) or x alone, with x an array or
    anything with a length and integer indexing and y what :func:`~pipeline.data.target_kinds.read_target` takes, or
    mappings from names to these; and optionally "class_names", of the one target or a mapping of targets.

    Raises:
        InputError: the function is not found, raises, or answers something else.
    """
    function = _find(data.source)
    with as_input_error(lambda why: f"data.source: {data.source} raised {why}."):
        answer = function()
    if not isinstance(answer, dict):
        raise InputError(f"data.source: {data.source} must return {ANSWER}, not {type(answer).__name__}.")
    splits = {key: value for key, value in answer.items() if key != "class_names"}
    arrays: dict[str, Arrays] = {}
    for key, value in splits.items():
        if key not in SPLIT_OF:
            raise InputError(
                f"data.source: {data.source} returned an unknown split '{key}'."
                f"{did_you_mean(str(key), SPLIT_OF)} It must return {ANSWER}."
            )
        arrays[SPLIT_OF[key]] = _by_name(value, f"data.source: {data.source} returned for '{key}'")
    return source_of_arrays(arrays, data, names, _class_names(answer.get("class_names"), data.source))


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


def _by_name(value: Any, returned: str) -> Arrays:
    if isinstance(value, tuple | list) and len(value) == 2:
        x, y = value
    elif isinstance(value, dict | np.ndarray) or (not isinstance(value, tuple | list) and _is_sequence(value)):
        x, y = value, {}
    else:
        raise InputError(f"{returned} a {type(value).__name__}, not a pair (x, y), nor x alone.")
    inputs, targets = x if isinstance(x, dict) else {INPUT: x}, y if isinstance(y, dict) else {TARGET: y}
    if not inputs:
        raise InputError(f"{returned} no inputs.")
    for name, part in (*inputs.items(), *targets.items()):
        if not _is_sequence(part):
            raise InputError(
                f"{returned} a {type(part).__name__} as {name}; it needs a length and integer indexing, "
                "as arrays and lists have."
            )
    return inputs, targets


def _is_sequence(part: Any) -> bool:
    return hasattr(part, "__len__") and hasattr(part, "__getitem__")


def _class_names(names: Any, source: str) -> dict[str, KnownTarget] | None:
    if names is None:
        return None
    by_target = names if isinstance(names, dict) else {TARGET: names}
    known: dict[str, KnownTarget] = {}
    for target, given in by_target.items():
        if isinstance(given, str) or not all(isinstance(name, str) for name in given):
            raise InputError(f"data.source: {source} returned class_names that are not a list of strings.")
        known[target] = KnownTarget("class", tuple(given))
    return known
