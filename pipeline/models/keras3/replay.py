"""Replay a Keras 3 graph on `tf_keras` tensors, node by node, and put the weights in layer by layer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import InputError, one_line
from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras3 import operations
from pipeline.models.keras3.layer_translation import Counterpart, counterpart
from pipeline.models.keras3.problems import REMEDY, CannotCarryError, Problem, refuse
from pipeline.models.named_function import structure


@dataclass(frozen=True)
class Carried:
    """A carried model, and which of its tensors stands for which tensor of the source, for comparing."""

    model: Any
    pairs: list[tuple[str, Any, Any]]
    """Name of the layer, its Keras 3 tensor, its `tf_keras` tensor; of the outermost graph, in order."""


def carry(source: Any) -> Carried:
    """The `tf_keras` counterpart of a Keras 3 Functional or Sequential model, always Functional.

    Raises:
        InputError: the model is subclassed or not built, or has layers that cannot be carried over (all are named).
    """
    problems: list[Problem] = []
    carried = _replay(source, problems)
    if problems or carried is None:
        raise refuse(source.name, problems)
    return carried


def _replay(source: Any, problems: list[Problem]) -> Carried | None:
    """Carry one graph; None where something in it (noted in `problems`) cannot be."""
    source = _as_graph(source)
    before = len(problems)
    tensors: dict[int, Any] = {}
    for tensor in source.inputs:
        tensors[id(tensor)] = tf_keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=_layer_name(tensor))
    counterparts: dict[int, Counterpart | None] = {}
    pairs = []
    # Keras 3 has no public way to go through a graph's calls; its own clone_model does it like this.
    for depth in sorted(source._nodes_by_depth, reverse=True):
        for node in source._nodes_by_depth[depth]:
            if node.is_input:
                continue
            outputs = _called(node, tensors, counterparts, problems)
            tensors |= {id(tensor): output for tensor, output in zip(node.outputs, outputs, strict=True)}
            pairs += [(node.operation.name, *pair) for pair in zip(node.outputs, outputs, strict=True)]
    if len(problems) > before:
        return None
    ends = [tf.nest.map_structure(lambda tensor: tensors[id(tensor)], end) for end in structure(source)]
    return Carried(tf_keras.Model(*ends, name=source.name), pairs)


def _as_graph(source: Any) -> Any:
    import keras

    if isinstance(source, keras.Sequential):
        if not source.built:
            raise InputError(
                f"The Keras 3 model '{source.name}' was saved before it was built: its input shape is not known. "
                "Call it once on data, or begin it with keras.Input(shape), and save it again."
            )
        return keras.Model(source.inputs, source.outputs, name=source.name)
    if not isinstance(source, keras.Function):
        raise InputError(f"The Keras 3 model '{source.name}' is subclassed: its graph cannot be read. {REMEDY}")
    return source


def _layer_name(tensor: Any) -> str:
    return str(tensor._keras_history.operation.name)


def _called(
    node: Any, tensors: dict[int, Any], counterparts: dict[int, Counterpart | None], problems: list[Problem]
) -> list[Any]:
    """The outputs of one call; placeholders of the same shape where it cannot be made, so that the rest is seen."""
    operation = node.operation
    args, kwargs = node.arguments.fill_in(tensors)
    try:
        if not _is_layer(operation):
            outputs = operations.call(operation, args, kwargs)
        else:
            first = id(operation) not in counterparts
            if first:
                counterparts[id(operation)] = None
                counterparts[id(operation)] = _counterpart_of(operation, problems)
            made = counterparts[id(operation)]
            if made is None:
                return _placeholders(node)
            outputs = made(*args, **_call_arguments(operation, made.layer, kwargs))
            if first and not made.has_weights:
                _set_weights(operation, made.layer)
        outputs = tf.nest.flatten(outputs)
        if len(outputs) != len(node.outputs):
            raise CannotCarryError(f"{len(outputs)} outputs where Keras 3 has {len(node.outputs)}")
    except (CannotCarryError, ValueError, TypeError, NotImplementedError, AttributeError, tf.errors.OpError) as error:
        reason = one_line(error, 300)
        problems.append(Problem(operation.name, type(operation).__name__, reason))
        return _placeholders(node)
    return list(outputs)


def _is_layer(operation: Any) -> bool:
    import keras

    return isinstance(operation, keras.layers.Layer)


def _counterpart_of(layer: Any, problems: list[Problem]) -> Counterpart | None:
    import keras

    def nested(model: Any) -> Any:
        carried = _replay(model, problems)
        return carried.model if carried else None

    if not isinstance(layer, keras.Model):
        return counterpart(layer, nested)
    if not isinstance(layer, keras.Function | keras.Sequential):
        raise CannotCarryError("it is a subclassed model, whose graph cannot be read")
    model = nested(layer)
    return Counterpart(model, has_weights=True) if model is not None else None


def _placeholders(node: Any) -> list[Any]:
    return [tf_keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype) for tensor in node.outputs]


def _call_arguments(operation: Any, layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """What Keras 2's layer is called with: `training` only where the user fixed it, masks where it takes them."""
    kwargs = {key: value for key, value in kwargs.items() if value is not None}
    # Keras 3 records `training=False` of its own accord where that is the default of the layer's call.
    default = inspect.signature(operation.call).parameters.get("training")
    if default is None or default.default is not None:
        kwargs.pop("training", None)
    if "mask" in kwargs and "mask" not in inspect.signature(layer.call).parameters:
        kwargs.pop("mask")
    return kwargs


def _set_weights(theirs: Any, ours: Any) -> None:
    """Copy a layer's weights: by name where the names within it are unique and the same, else in order.

    Raises:
        CannotCarryError: number or shapes differ.
    """
    weights = list(theirs.weights)
    if not ours.weights and type(ours).__name__ in ("Normalization", "Activation"):
        return  # constants now, or augmentation that only trains
    names = [weight.name for weight in weights]
    wanted = [weight.name.rsplit("/", 1)[-1].removesuffix(":0") for weight in ours.weights]
    if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
        weights = [weights[names.index(name)] for name in wanted]
    values = [np.asarray(weight) for weight in weights]
    shapes, places = [value.shape for value in values], [tuple(weight.shape) for weight in ours.weights]
    if shapes != places:
        raise CannotCarryError(f"its weights have the shapes {shapes}, Keras 2's layer takes {places}")
    ours.set_weights(values)
