"""A file of Keras 3 as the Keras 3 model that it is, computing in float32."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.errors import InputError, as_input_error
from pipeline.models import custom_objects
from pipeline.models.keras3 import h5

_REMEDY = (
    "For a model with code of your own, run in the folder of the module that holds it, or export it as a SavedModel, "
    "which needs no code: model.export(FOLDER)."
)


def load_keras3(path: Path, *, trusted: bool = False) -> Any:
    """Load a `.keras` or `.h5` file with Keras 3: Functional, Sequential or subclassed, the user's own layers too.

    Raises:
        InputError: it cannot be read, its classes cannot be imported, it holds Python code (Lambda), or its weights are
            quantized already.
    """
    import keras

    own = custom_objects.load(path)
    with as_input_error(lambda why: f"Keras 3 cannot load '{path}': {_own_layers(path) or why} {_REMEDY}"):
        if zipfile.is_zipfile(path):
            with named_by_content(path) as file:
                source = keras.saving.load_model(file, custom_objects=own, compile=False)
        else:
            with keras.saving.custom_object_scope(own):
                source = h5.load(path)
    return in_float32(source)


def read_config(path: Path) -> Any:
    """What a file says of the model's structure, unread by Keras."""
    if not zipfile.is_zipfile(path):
        return h5.read_config(path)
    with limits.archive(path) as archive:
        return limits.json_value(limits.member(archive, "config.json"))


def entries(config: Any) -> Iterator[dict[str, Any]]:
    """Every layer and operation in a model's configuration, through nested models and wrappers."""
    inner = config.get("config", {}) if isinstance(config, dict) else {}
    if not isinstance(inner, dict):
        return
    for entry in inner.get("layers", []):
        if isinstance(entry, dict) and "class_name" in entry:
            yield entry
            yield from entries(entry)
    wrapped = inner.get("layer")
    if isinstance(wrapped, dict) and "class_name" in wrapped:
        yield wrapped
        yield from entries(wrapped)


def name_of(entry: dict[str, Any]) -> str:
    """What a layer or operation is called; its class where it has no name."""
    return str(entry.get("name") or entry.get("config", {}).get("name", entry["class_name"]))


def is_own(entry: dict[str, Any]) -> bool:
    """Whether a class is neither Keras's nor registered by the user in this process."""
    import keras

    if str(entry.get("module")).split(".")[0] == "keras":
        return False
    return keras.saving.get_registered_object(entry.get("registered_name") or entry.get("class_name")) is None


def _own_layers(path: Path) -> str:
    """The layers whose code is not in the file, as a sentence; empty where there are none."""
    own = dict.fromkeys(
        f"'{name_of(entry)}' ({entry['class_name']})"
        for entry in entries(read_config(path))
        if is_own(entry) or entry["class_name"] == "Lambda"
    )
    return f"it holds code of your own that is not run from a file, in {', '.join(own)}." if own else ""


@contextmanager
def named_by_content(path: Path) -> Iterator[Path]:
    """A model file under a name that Keras knows its format by: `.keras` for an archive, whatever it is called."""
    if path.suffix == ".keras" or not zipfile.is_zipfile(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"{path.stem}.keras"
        link.symlink_to(path.resolve())
        yield link


def in_float32(source: Any) -> Any:
    """The model with every layer computing in float32, from where quantization starts.

    Mixed precision keeps its weights in float32 anyway.

    Raises:
        InputError: the model's weights are quantized already.
    """
    import keras

    policies = {_policy(layer) for layer in source._flatten_layers()}
    if any("int" in policy or "float8" in policy for policy in policies):
        raise InputError(
            f"The Keras 3 model '{source.name}' was quantized by Keras already ({', '.join(sorted(policies))}): give "
            "the float model it was made from."
        )
    if policies <= {"float32"}:
        return source
    if not hasattr(source, "_nodes_by_depth") and not isinstance(source, keras.Sequential):
        return _subclassed_in_float32(source)
    config = _with_float32(source.get_config())
    model = type(source).from_config(config)
    model.set_weights([weight.astype("float32") for weight in source.get_weights()])
    return model


def _subclassed_in_float32(source: Any) -> Any:
    """Layers that mix precisions keep their weights in float32, so they can be set to compute in it, in place.

    Raises:
        InputError: the weights themselves are of lower precision.
    """
    import keras

    if any(str(weight.dtype) in ("float16", "bfloat16") for weight in source.weights):
        raise InputError(
            f"The weights of the subclassed Keras 3 model '{source.name}' are float16 or bfloat16: build it in float32 "
            "(keras.config.set_dtype_policy), load the weights, and save it again."
        )
    for layer in source._flatten_layers():
        layer.dtype_policy = keras.DTypePolicy("float32")
    return source


def _policy(layer: Any) -> str:
    return str(layer.dtype_policy.name)


def _with_float32(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") in ("DTypePolicy", "FloatDTypePolicy"):
            return {**value, "config": {**value["config"], "name": "float32"}}
        return {key: _with_float32(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_float32(inner) for inner in value)
    return value
