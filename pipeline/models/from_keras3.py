"""Carry a Keras 3 model over to `tf_keras`: the same layers, wired the same way, with the same weights.

Keras 3 files are first loaded by Keras 3 itself, so that no knowledge of its file layout is needed; then every
layer's configuration is rewritten for Keras 2, the graph is replayed, the weights are copied, and the outputs of
both models on the same random input are compared.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError, PipelineError
from pipeline.models.backend import tf, tf_keras

TOLERANCE = 1e-5
"""Largest difference allowed between both models' outputs, relative to the largest output."""

RENAMED = {"LeakyReLU": {"negative_slope": "alpha"}}
"""Arguments by Keras 3's name, and Keras 2's."""

TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
"""Configuration that Keras 3 writes in its own way; the weights are there already."""


def from_keras3(path: Path) -> Any:
    """Load a Keras 3 file as a `tf_keras` model.

    Raises:
        InputError: the file cannot be read, the model is subclassed, or it has layers that cannot be carried over
            (all of them are named).
        PipelineError: the carried model answers differently.
    """
    import keras

    try:
        source = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(f"Keras 3 cannot load '{path}': {' '.join(str(error).split())[:300]}") from error
    model = carry(source)
    _compare(source, model)
    return model


def carry(source: Any) -> Any:
    """The `tf_keras` twin of a Keras 3 Functional or Sequential model.

    Raises:
        InputError: the model is subclassed, or has layers that cannot be carried over (all of them are named).
    """
    config = source.get_config()
    if "layers" not in config:
        raise InputError(
            f"The Keras 3 model '{source.name}' is subclassed: its graph cannot be read. Write a function that "
            "builds the same model with tf_keras and name it with --set model.function=module:function."
        )
    # Arithmetic on tensors is among the operations, but not among the layers.
    strange = [
        f"{entry.name} ({type(entry).__name__})"
        for entry in getattr(source, "operations", source.layers)
        if _is_nested(entry) or _class_of(entry) is None or entry not in source.layers
    ]
    if strange:
        raise InputError(
            f"These layers of the Keras 3 model '{source.name}' have no Keras 2 counterpart: {', '.join(strange)}. "
            "Write a function that builds the model with tf_keras and name it with "
            "--set model.function=module:function."
        )
    if type(source).__name__ == "Sequential":
        shape = source.input_shape[1:]
        layers = [_twin(layer) for layer in source.layers if type(layer).__name__ != "InputLayer"]
        model = tf_keras.Sequential([tf_keras.Input(shape), *layers], name=source.name)
    else:
        model = _replay(source, config)
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(_values(layer))
    return model


def _is_nested(layer: Any) -> bool:
    return hasattr(layer, "layers")


def _class_of(layer: Any) -> Any:
    return getattr(tf_keras.layers, type(layer).__name__, None)


def _twin(layer: Any) -> Any:
    kind = _class_of(layer)
    known = _accepted(kind)
    renamed = RENAMED.get(type(layer).__name__, {})
    config = {
        renamed.get(key, key): _simplify(value)
        for key, value in layer.get_config().items()
        if renamed.get(key, key) in known and not key.endswith(TRAINING_ONLY)
    }
    try:
        return kind(**config)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Keras 2 has no '{layer.name}' ({type(layer).__name__}) as Keras 3 configures it: {error}. Write a "
            "function that builds the model with tf_keras and name it with --set model.function=module:function."
        ) from error


def _accepted(kind: Any) -> set[str]:
    """Names of the constructor's arguments, through the classes that hand `**kwargs` upwards."""
    import inspect

    names = {"name", "trainable", "dtype"}
    for parent in kind.__mro__:
        if parent is tf_keras.layers.Layer:
            break
        names |= set(inspect.signature(parent.__init__).parameters)
    return names - {"self", "kwargs", "args"}


def _simplify(value: Any) -> Any:
    """Keras 3 serializes dtype policies, initializers and the like as objects with a module."""
    if isinstance(value, dict) and "class_name" in value:
        if value["class_name"] in ("DTypePolicy", "FloatDTypePolicy"):
            return value["config"]["name"]
        if "module" in value:
            return {"class_name": value["class_name"], "config": value.get("config", {})}
    return value


def _replay(source: Any, config: dict[str, Any]) -> Any:
    """Call the twins in the order and on the tensors that the Functional configuration records."""
    by_name = {layer.name: layer for layer in source.layers}
    twins: dict[str, Any] = {}
    tensors: dict[tuple[str, int, int], Any] = {}

    def at(reference: Any) -> Any:
        if isinstance(reference, dict) and reference.get("class_name") == "__keras_tensor__":
            name, node, index = reference["config"]["keras_history"]
            return tensors[name, node, index]
        if isinstance(reference, list | tuple):
            return type(reference)(at(item) for item in reference)
        return reference

    waiting = [(entry["name"], i, node) for entry in config["layers"] for i, node in enumerate(entry["inbound_nodes"])]
    for entry in config["layers"]:
        if entry["class_name"] == "InputLayer":
            shape = (entry["config"].get("batch_shape") or entry["config"]["batch_input_shape"])[1:]
            tensors[entry["name"], 0, 0] = tf_keras.Input(shape, name=entry["name"], dtype=entry["config"]["dtype"])
    while waiting:
        later = []
        for name, index, node in waiting:
            try:
                args, kwargs = at(node["args"]), {key: at(value) for key, value in node["kwargs"].items()}
            except KeyError:  # an argument is not computed yet
                later.append((name, index, node))
                continue
            if name not in twins:
                twins[name] = _twin(by_name[name])
            kwargs.pop("mask", None)
            for position, output in enumerate(tf.nest.flatten(twins[name](*args, **kwargs))):
                tensors[name, index, position] = output
        if len(later) == len(waiting):
            raise PipelineError(f"The graph of '{source.name}' cannot be replayed: {later[0][0]} waits for itself.")
        waiting = later

    def ends(references: Any) -> Any:
        if len(references) == 3 and isinstance(references[0], str):
            return tensors[tuple(references)]
        return [tensors[tuple(reference)] for reference in references]

    return tf_keras.Model(ends(config["input_layers"]), ends(config["output_layers"]), name=source.name)


def _values(layer: Any) -> list[np.ndarray]:
    """Weights in Keras 2's order; Keras 3 adds seed generators' states, which Keras 2 does not keep."""
    return [np.asarray(weight) for weight in layer.weights if "seed_generator" not in weight.path]


def _compare(source: Any, model: Any) -> None:
    generator = np.random.default_rng(0)
    feeds = [
        generator.uniform(-1, 1, (2, *(side or 32 for side in tensor.shape[1:]))).astype(np.float32)
        for tensor in model.inputs
    ]
    feed = feeds if len(feeds) > 1 else feeds[0]
    theirs = [np.asarray(output) for output in tf.nest.flatten(source(feed, training=False))]
    ours = [output.numpy() for output in tf.nest.flatten(model(feed, training=False))]
    for reference, output in zip(theirs, ours, strict=True):
        difference = float(np.abs(reference - output).max() / max(1.0, float(np.abs(reference).max())))
        if not difference <= TOLERANCE:
            raise PipelineError(
                f"The Keras 3 model '{source.name}' carried over to Keras 2 answers differently by {difference:.2g} "
                f"on random input (allowed: {TOLERANCE:g}). Please report the model; until then build it with "
                "tf_keras and give it with --set model.function=module:function."
            )
