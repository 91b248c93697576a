"""A SavedModel of any origin: Keras's `export` and `save`, `tf.saved_model.save`, TF Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError, as_input_error, did_you_mean
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.input_sizes import Sizes
from pipeline.models.named_function import NamedFunction, leaf_names, spec_of
from pipeline.tensors import OPEN, TensorSpec

KEY = "serving_default"
"""The signature that TensorFlow Serving takes where none is named."""
_TAG = "serve"
_CALL = "__call__"


def open_saved_model(path: Path, signature: str | None = None, sizes: Sizes | None = None) -> NamedFunction:
    """One signature of a SavedModel as a function by name; the code of its layers is not needed.

    Args:
        path: The folder.
        signature: Which, or the name of one of its functions; None: `serving_default`, else the only signature, else
            what the model does when it is called (TF Hub), else the only function.
        sizes: Sizes of open dimensions, by input name.

    Raises:
        InputError: it cannot be loaded, has no such signature or several to choose from, or its inputs are strings or
            of an unknown rank.
    """
    with as_input_error(lambda why: f"TensorFlow cannot load the SavedModel '{path}': {why} Copy or export it again."):
        loaded = _load(path)
    signatures, functions = dict(loaded.signatures), _functions(loaded)
    key = _chosen(path, signatures, functions, signature)
    if key in signatures:
        return _of_signature(path, loaded, key, sizes)
    return _of_function(path, loaded, key, functions[key], sizes)


def _load(path: Path) -> Any:
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    sets = [set(graph.meta_info_def.tags) for graph in parse_saved_model(str(path)).meta_graphs]
    tags = next((found for found in sets if _TAG in found), min(sets, key=len))  # TF1's hold one for training beside
    with quiet_tensorflow():
        return tf.saved_model.load(str(path), tags=None if len(sets) == 1 else sorted(tags))


def _of_signature(path: Path, loaded: Any, key: str, sizes: Sizes | None) -> NamedFunction:
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


def _of_function(path: Path, loaded: Any, key: str, function: Any, sizes: Sizes | None) -> NamedFunction:
    """As it was traced for inference: of its traces one without a `True` among the arguments that are no tensors."""
    traces = [trace.structured_input_signature for trace in function.concrete_functions]
    taken = next((trace for trace in traces if True not in _constants(trace)), traces[0])
    leaves = tf.nest.flatten(taken)
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, tf.TensorSpec)]
    names = leaf_names(
        [leaves[place] for place in places], [leaves[place].name or f"input_{place}" for place in places]
    )
    inputs = [_input(path, key, name, leaves[place], sizes) for name, place in zip(names, places, strict=True)]

    def call(tensors: Sequence[Any]) -> dict[str, Any]:
        assert loaded is not None  # it holds the variables
        given = dict(zip(places, tensors, strict=True))
        args, keywords = tf.nest.pack_sequence_as(taken, [given.get(place, leaf) for place, leaf in enumerate(leaves)])
        answered = function(*args, **keywords)
        outputs = tf.nest.flatten(answered)
        named = leaf_names(answered, [f"output_{place}" for place in range(len(outputs))])
        return dict(zip(named, outputs, strict=True))

    return NamedFunction(path.name, inputs, call, opens_batch=False).sized(sizes)


def _constants(trace: Any) -> list[Any]:
    return [leaf for leaf in tf.nest.flatten(trace) if not isinstance(leaf, tf.TensorSpec)]


def _functions(loaded: Any) -> dict[str, Any]:
    """What a model was saved with besides signatures: every function of it that was traced on tensors."""
    found: dict[str, Any] = {}
    for name in dir(loaded):
        if name == "signatures" or (name.startswith("_") and name != _CALL):
            continue
        value = getattr(loaded, name, None)
        traces = getattr(value, "concrete_functions", None) or ()
        if any(
            isinstance(leaf, tf.TensorSpec)
            for trace in traces
            for leaf in tf.nest.flatten(trace.structured_input_signature)
        ):
            found[name] = value
    return found


def _chosen(path: Path, signatures: dict[str, Any], functions: dict[str, Any], wanted: str | None) -> str:
    listed = ", ".join(f"'{key}'" for key in signatures or functions)
    if wanted is not None:
        if wanted not in signatures and wanted not in functions:
            raise InputError(
                f"The SavedModel '{path}' has no signature '{wanted}', it has {listed or 'none'}."
                f"{did_you_mean(wanted, signatures or functions)}"
            )
        return wanted
    if KEY in signatures:
        return KEY
    if not signatures and _CALL in functions:
        return _CALL
    known = list(signatures or functions)
    if len(known) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"The SavedModel '{path}' has no signature, so nothing says what it takes and gives. Save it with one: "
            "tf.saved_model.save(model, folder, signatures=model.function.get_concrete_function(tf.TensorSpec(…)))."
        )
    what = f"several signatures, and none is called {KEY}" if signatures else "no signature but several functions"
    raise InputError(
        f"The SavedModel '{path}' has {what}: {listed}. Say which is meant with --set model.signature=NAME."
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
