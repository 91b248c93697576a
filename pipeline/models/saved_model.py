"""A SavedModel of any origin: Keras's `export` and `save`, `tf.saved_model.save`, TF Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError, did_you_mean, one_line
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.input_sizes import Sizes
from pipeline.models.named_function import NamedFunction, spec_of
from pipeline.tensors import OPEN, TensorSpec

KEY = "serving_default"
"""The signature that TensorFlow Serving takes where none is named."""


def open_saved_model(path: Path, signature: str | None = None, sizes: Sizes | None = None) -> NamedFunction:
    """One signature of a SavedModel as a function by name; the code of its layers is not needed.

    Args:
        path: The folder.
        signature: Which; None: `serving_default`, else the only one.
        sizes: Sizes of open dimensions, by input name.

    Raises:
        InputError: it cannot be loaded, has no such signature or several to choose from, or its inputs are strings or
            of an unknown rank.
    """
    try:
        with quiet_tensorflow():
            loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError, tf.errors.OpError) as error:
        raise InputError(
            f"TensorFlow cannot load the SavedModel '{path}': {one_line(error, 300)} Copy or export it again."
        ) from error
    key = _chosen(path, list(loaded.signatures), signature)
    function = loaded.signatures[key]
    _, taken = function.structured_input_signature
    inputs = [_input(path, key, name, spec, sizes) for name, spec in taken.items()]
    outputs = function.structured_outputs
    known = all(spec.shape.rank is not None for spec in outputs.values())

    def call(tensors: Sequence[Any]) -> dict[str, Any]:
        assert loaded is not None  # whoever holds the function holds the model: a signature does not hold its variables
        answered = function(**{spec.name: tensor for spec, tensor in zip(inputs, tensors, strict=True)})
        return {name: answered[name] for name in outputs}

    return NamedFunction(
        path.name,
        inputs,
        call,
        outputs=[spec_of(name, spec) for name, spec in outputs.items()] if known else None,
        opens_batch=False,
    ).sized(sizes)


def _chosen(path: Path, known: list[str], wanted: str | None) -> str:
    listed = ", ".join(f"'{key}'" for key in known)
    if wanted is not None:
        if wanted not in known:
            raise InputError(
                f"The SavedModel '{path}' has no signature '{wanted}', it has {listed or 'none'}."
                f"{did_you_mean(wanted, known)}"
            )
        return wanted
    if KEY in known:
        return KEY
    if len(known) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"The SavedModel '{path}' has no signature, so nothing says what it takes and gives. Save it with one: "
            "tf.saved_model.save(model, folder, signatures=model.function.get_concrete_function(tf.TensorSpec(…)))."
        )
    raise InputError(
        f"The SavedModel '{path}' has several signatures, and none is called {KEY}: {listed}. Say which is meant with "
        "--set model.signature=NAME."
    )


def _input(path: Path, key: str, name: str, spec: Any, sizes: Sizes | None) -> TensorSpec:
    if spec.dtype == tf.string:
        raise InputError(
            f"The signature '{key}' of the SavedModel '{path}' takes strings ('{name}': serialized examples or encoded "
            "images), which no kernel of TFLite reads. Name a signature that takes numbers: --set model.signature=NAME."
        )
    if spec.shape.rank is not None:
        return spec_of(name, spec)
    size = (sizes or {}).get(name)
    if size is None:
        raise InputError(
            f"The signature '{key}' of the SavedModel '{path}' does not say the shape of its input '{name}': give it, "
            f"without the batch, with --set model.input_sizes={{{name}: […]}}."
        )
    return TensorSpec(name, (OPEN,) * (len(size) + 1), np.dtype(spec.dtype.as_numpy_dtype))
