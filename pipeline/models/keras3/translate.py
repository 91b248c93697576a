"""A Keras 3 file → a `tf_keras` model that answers the same.

Keras 3 itself reads the file, so that no knowledge of its layout is needed; then the graph is replayed, the weights
are copied layer by layer, and the outputs of both models on the same random input are compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import InputError, as_input_error, one_line
from pipeline.models.keras3.equivalence import compare
from pipeline.models.keras3.keras3_file import entries, is_own, load_keras3, name_of, read_config
from pipeline.models.keras3.layer_translation import counterpart
from pipeline.models.keras3.operations import TABLE
from pipeline.models.keras3.problems import REMEDY, CannotCarryError, Problem, refuse
from pipeline.models.keras3.replay import carry


def from_keras3(path: Path, *, trusted: bool = False) -> Any:
    """Load a Keras 3 file (`.keras` or `.h5`) as a `tf_keras` model in float32.

    Raises:
        InputError: the file cannot be read, the model is subclassed, or it has layers that cannot be carried over
            (all of them are named).
        PipelineError: the carried model answers differently.
    """
    _refuse_unknown(_config(path))
    source = load_keras3(path, trusted=trusted)
    carried = carry(source)
    compare(source, carried)
    return carried.model


def _config(path: Path) -> dict[str, Any]:
    """What the file says of the model's structure, unread by Keras."""
    with as_input_error(lambda why: f"'{path}' is damaged: it holds no readable configuration ({why})."):
        content = read_config(path)
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is damaged: its configuration describes no model.")
    return content


def _refuse_unknown(config: dict[str, Any]) -> None:
    """Keras 3 stops at the first layer whose class it does not know; here all are named, and what else is wrong.

    Raises:
        InputError: there are layers of the user's own or Lambda layers, or the model is subclassed.
    """
    name = str(config.get("config", {}).get("name", config.get("class_name")))
    if is_own(config):
        raise InputError(
            f"The Keras 3 model '{name}' is subclassed ({config.get('class_name')}): the file holds its weights, but "
            f"not its graph, which is in your code. {REMEDY}"
        )
    listed = list(entries(config))
    if not any(is_own(entry) or entry.get("class_name") == "Lambda" for entry in listed):
        return
    found = [problem for entry in listed if (problem := _problem(entry)) is not None]
    raise refuse(name, found)


def _problem(entry: dict[str, Any]) -> Problem | None:
    """What keeps one layer from being carried, told by its configuration alone."""
    import keras

    kind = str(entry["class_name"])
    name = name_of(entry)
    if is_own(entry):
        return Problem(name, kind, "it is a layer of your own, whose code is not in the file")
    if kind == "Lambda":
        return Problem(name, kind, "it holds Python code, which is not run from a file")
    if kind in ("Functional", "Sequential", "InputLayer"):
        return None
    if ".ops" in str(entry.get("module")):
        return None if kind in TABLE else Problem(name, kind, "an operation without a counterpart")
    if any(is_own(inner) or inner.get("class_name") == "Lambda" for inner in entries(entry)):
        return None  # what it wraps is in the list
    try:
        counterpart(keras.saving.deserialize_keras_object(entry), lambda model: model)
    except CannotCarryError as error:
        return Problem(name, kind, str(error))
    except Exception as error:  # whatever Keras raises over a layer that it cannot make
        return Problem(name, kind, one_line(error, 200))
    return None
