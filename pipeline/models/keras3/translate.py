"""A Keras 3 file → a `tf_keras` model that answers the same.

Keras 3 itself reads the file, so that no knowledge of its layout is needed; then the graph is replayed, the weights
are copied layer by layer, and the outputs of both models on the same random input are compared.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line
from pipeline.models.keras3 import h5
from pipeline.models.keras3.equivalence import compare
from pipeline.models.keras3.keras3_file import FAILURES, load_keras3
from pipeline.models.keras3.layer_translation import counterpart
from pipeline.models.keras3.operations import TABLE
from pipeline.models.keras3.problems import REMEDY, CannotCarryError, Problem, refuse
from pipeline.models.keras3.replay import carry


def from_keras3(path: Path) -> Any:
    """Load a Keras 3 file (`.keras` or `.h5`) as a `tf_keras` model in float32.

    Raises:
        InputError: the file cannot be read, the model is subclassed, or it has layers that cannot be carried over
            (all of them are named).
        PipelineError: the carried model answers differently.
    """
    _refuse_unknown(_config(path))
    source = load_keras3(path)
    carried = carry(source)
    compare(source, carried)
    return carried.model


def _config(path: Path) -> dict[str, Any]:
    """What the file says of the model's structure, unread by Keras."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = json.loads(archive.read("config.json"))
        else:
            content = h5.read_config(path)
    except FAILURES as error:
        raise InputError(f"'{path}' is damaged: it holds no readable configuration ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is damaged: its configuration describes no model.")
    return content


def _refuse_unknown(config: dict[str, Any]) -> None:
    """Keras 3 stops at the first layer whose class it does not know; here all are named, and what else is wrong.

    Raises:
        InputError: there are layers of the user's own or Lambda layers, or the model is subclassed.
    """
    name = str(config.get("config", {}).get("name", config.get("class_name")))
    if _is_own(config):
        raise InputError(
            f"The Keras 3 model '{name}' is subclassed ({config.get('class_name')}): the file holds its weights, but "
            f"not its graph, which is in your code. {REMEDY}"
        )
    entries = list(_entries(config))
    if not any(_is_own(entry) or entry.get("class_name") == "Lambda" for entry in entries):
        return
    found = [problem for entry in entries if (problem := _problem(entry)) is not None]
    raise refuse(name, found)


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    """Every layer and operation in a model's configuration, through nested models and wrappers."""
    inner = config.get("config", {}) if isinstance(config, dict) else {}
    if not isinstance(inner, dict):
        return
    for entry in inner.get("layers", []):
        if isinstance(entry, dict) and "class_name" in entry:
            yield entry
            yield from _entries(entry)
    wrapped = inner.get("layer")
    if isinstance(wrapped, dict) and "class_name" in wrapped:
        yield wrapped
        yield from _entries(wrapped)


def _is_own(entry: dict[str, Any]) -> bool:
    """Whether a class is neither Keras's nor registered by the user in this process."""
    import keras

    if str(entry.get("module")).split(".")[0] == "keras":
        return False
    return keras.saving.get_registered_object(entry.get("registered_name") or entry.get("class_name")) is None


def _problem(entry: dict[str, Any]) -> Problem | None:
    """What keeps one layer from being carried, told by its configuration alone."""
    import keras

    kind = str(entry["class_name"])
    name = str(entry.get("name") or entry.get("config", {}).get("name", kind))
    if _is_own(entry):
        return Problem(name, kind, "it is a layer of your own, whose code is not in the file")
    if kind == "Lambda":
        return Problem(name, kind, "it holds Python code, which is not run from a file")
    if kind in ("Functional", "Sequential", "InputLayer"):
        return None
    if ".ops" in str(entry.get("module")):
        return None if kind in TABLE else Problem(name, kind, "an operation without a counterpart")
    if any(_is_own(inner) or inner.get("class_name") == "Lambda" for inner in _entries(entry)):
        return None  # what it wraps is in the list
    try:
        counterpart(keras.saving.deserialize_keras_object(entry), lambda model: model)
    except CannotCarryError as error:
        return Problem(name, kind, str(error))
    except FAILURES as error:
        return Problem(name, kind, one_line(error, 200))
    return None
