"""A file of Keras 3 as the Keras 3 model that it is, computing in float32."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line
from pipeline.models import custom_objects
from pipeline.models.keras3 import h5

FAILURES = (ValueError, TypeError, OSError, KeyError, AttributeError, ImportError, IndexError, zipfile.BadZipFile)
"""What Keras raises over a file that is not as it should be."""


def load_keras3(path: Path) -> Any:
    """Load a `.keras` or `.h5` file with Keras 3: Functional, Sequential or subclassed, the user's own layers too.

    Raises:
        InputError: it cannot be read, its classes cannot be imported, it holds Python code (Lambda), or its weights are
            quantized already.
    """
    import keras

    own = custom_objects.load(path)
    try:
        if zipfile.is_zipfile(path):
            source = keras.saving.load_model(path, custom_objects=own, compile=False)
        else:
            with keras.saving.custom_object_scope(own):
                source = h5.load(path)
    except FAILURES as error:
        raise InputError(
            f"Keras 3 cannot load '{path}': {one_line(error, 300)} For a model with code of your own, "
            "run in the folder of the module that holds it, or export it as a SavedModel, which needs no code: "
            "model.export(FOLDER)."
        ) from error
    return in_float32(source)


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
