"""Layers and functions of the user's inside a saved model, which Keras only loads when it is told their classes.

A `.keras` file names the modules of layers, not those of functions; an `.h5` file names none. So the files that this
project saves carry the names beside the model.
"""

from __future__ import annotations

import inspect
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from pipeline import importing, limits
from pipeline.errors import InputError, as_input_error
from pipeline.models import stored_config

_NAMES = "custom_objects.json"
"""The entry in a `.keras` archive, the attribute in an `.h5` file: a list of `module:name`."""
_KNOWN = ("keras", "tf_keras", "builtins", "tensorflow", "tensorflow_model_optimization", "pipeline", "__main__")
"""Packages whose classes Keras or this project knows; what a script defines itself cannot be imported by name."""


def remember(model: Any, path: Path) -> None:
    """Write the names of the user's classes and functions in a model into the file that it was just saved to."""
    found = sorted(set(_of(model)))
    if not found:
        return
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_NAMES, json.dumps(found))
    else:
        with h5py.File(path, "a") as file:
            file.attrs[_NAMES] = json.dumps(found)


def references(path: Path) -> list[str]:
    """`module:Class` and `module:function` of what a model file holds that is not Keras's, each once."""
    configured = _named(stored_config.read(path)) if zipfile.is_zipfile(path) else ()
    return sorted({*names_beside(path), *configured})


def names_beside(path: Path) -> list[str]:
    """What this project wrote into a model file beside the model: `module:Class` and `module:function`."""
    text = "[]"
    if zipfile.is_zipfile(path):
        with limits.archive(path) as archive:
            if _NAMES in archive.namelist():
                text = limits.member(archive, _NAMES).decode()
    elif path.is_file() and h5py.is_hdf5(path):
        with h5py.File(path) as file:
            text = str(file.attrs.get(_NAMES, "[]"))
    return [name for name in limits.json_value(text) if isinstance(name, str) and ":" in name]


def load(path: Path) -> dict[str, Any]:
    """The classes and functions by their names, imported.

    Raises:
        InputError: a module or what it should hold is not there.
    """
    return {reference.partition(":")[2]: _load(path, reference) for reference in references(path)}


def _of(model: Any) -> Iterator[str]:
    for part in (model, *model.submodules):
        for item in (type(part), *vars(part).values()):
            own = inspect.isclass(item) or inspect.isfunction(item)
            if own and _foreign(item.__module__) and "<" not in item.__qualname__:
                yield f"{item.__module__}:{item.__name__}"


def _named(item: Any) -> Iterator[str]:
    """In a model's configuration, at any depth."""
    if isinstance(item, list):
        for part in item:
            yield from _named(part)
    if isinstance(item, dict):
        module, name = item.get("module"), item.get("class_name")
        if isinstance(module, str) and isinstance(name, str) and _foreign(module):
            yield f"{module}:{item.get('config') if name == 'function' else name}"
        for part in item.values():
            yield from _named(part)


def _foreign(module: str) -> bool:
    return module.partition(".")[0] not in _KNOWN


def _load(path: Path, reference: str) -> Any:
    module, _, name = reference.partition(":")
    with as_input_error(
        lambda why: (
            f"'{path}' holds '{name}' from the module '{module}', which cannot be imported: {why}. Run in the folder "
            "of that module, or put its folder on PYTHONPATH; or write a function that builds and returns the model, "
            "and name it with --set model.function=module:function."
        )
    ):
        found = importing.named(reference)
    if not (inspect.isclass(found) and hasattr(found, "from_config")) and not inspect.isfunction(found):
        raise InputError(
            f"'{path}' names '{reference}', which is neither a class with from_config, as Keras's layers and "
            "models and tfmot's QuantizeConfigs have it, nor a function: a model is not made of that."
        )
    return found
