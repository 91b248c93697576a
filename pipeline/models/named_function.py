"""A model as a function from tensors to tensors by name: Keras 2, Keras 3, subclassed ones, a SavedModel's signature.

Conversion, prediction and what is asked of a model's outputs go through this one form.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pipeline.errors import InputError, as_input_error
from pipeline.models.backend import tf, tf_keras
from pipeline.models.input_sizes import Sizes, with_sizes
from pipeline.tensors import OPEN, Signature, TensorSpec


class NamedFunction:
    """
    Args:
        name: The model's, for messages.
        inputs: What it takes, in the model's own order; the batch first.
        call: Takes one TensorFlow tensor an input, in that order, and gives the outputs by name. It computes what
            inference computes.
        outputs: What it gives, where that is known without tracing it.
        opens_batch: Whether `call` takes another batch than the one that `inputs` says.
        embeddings: Numbers of entries of the model's embedding tables: what its indices must stay below.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[TensorSpec],
        call: Callable[[Sequence[Any]], dict[str, Any]],
        *,
        outputs: Sequence[TensorSpec] | None = None,
        opens_batch: bool = True,
        embeddings: Sequence[int] = (),
    ) -> None:
        self.name, self.inputs, self.opens_batch = name, tuple(inputs), opens_batch
        self.embeddings = tuple(embeddings)
        self._call, self._outputs = call, outputs

    def __call__(self, *tensors: Any) -> dict[str, Any]:
        """The outputs by name; in a `tf.function` it is traced."""
        return self._call(tensors)

    @cached_property
    def signature(self) -> Signature:
        """Inputs and outputs by name, shape and dtype."""
        outputs = self._outputs
        if outputs is None:
            function, names = self.trace()
            outputs = [spec_of(name, tensor) for name, tensor in zip(names, function.outputs, strict=True)]
        return Signature(self.inputs, tuple(outputs))

    def sized(self, sizes: Sizes | None) -> NamedFunction:
        """The same with open dimensions at these sizes.

        Raises:
            InputError: as `with_sizes`.
        """
        if not sizes:
            return self
        inputs = with_sizes(self.inputs, sizes)
        return NamedFunction(self.name, inputs, self._call, opens_batch=self.opens_batch, embeddings=self.embeddings)

    def trace(self, batch: int | None = None) -> tuple[Any, list[str]]:
        """Trace it once.

        Args:
            batch: The batch to trace it for; open by default.

        Returns:
            A concrete function of one positional tensor an input that gives the flat outputs, and their names.

        Raises:
            Whatever the model raises when it is called.
        """
        names: list[str] = []

        def flat(*tensors: Any) -> list[Any]:
            result = self._call(tensors)
            names[:] = list(result)
            return list(result.values())

        specs = [
            tf.TensorSpec(self._shape(spec, batch), tf.as_dtype(spec.dtype), name=f"input_{place}")
            for place, spec in enumerate(self.inputs)
        ]
        return tf.function(flat, input_signature=specs, autograph=False).get_concrete_function(), names

    def _shape(self, spec: TensorSpec, batch: int | None) -> list[int | None]:
        shape: list[int | None] = [None if side == OPEN else side for side in spec.shape]
        if shape and (self.opens_batch or shape[0] is None):
            shape[0] = batch
        return shape


def named_function(model: Any, sizes: Sizes | None = None) -> NamedFunction:
    """A Keras model as a function by name.

    Inputs and outputs of Functional and Sequential models are called as their layers, or as their keys where they are
    dicts; inputs of subclassed models as the arguments of `call`, their outputs `output_0`, `output_1`, … or as their
    keys. What is nested gets the whole path, `boxes_0`; what is there twice a number.

    Args:
        model: A model of `tf_keras` or Keras 3.
        sizes: Sizes of open dimensions, by input name; of a subclassed model that was never called, of every argument.

    Raises:
        InputError: no Keras model, Keras 3 without TensorFlow, a model that nothing says the inputs of, or sizes that
            do not fit.
    """
    if not is_keras(model):
        raise InputError(f"A Keras model is needed here, not {type(model).__module__}.{type(model).__qualname__}.")
    if has_graph(model):
        return _of_graph(model).sized(sizes)
    return _of_subclassed(model, sizes)


def is_keras(model: Any) -> bool:
    """Whether this is a model of Keras 2 or 3."""
    return isinstance(model, tf_keras.Model) or is_keras3(model)


def is_keras3(model: Any) -> bool:
    """Whether this is a model of Keras 3.

    Raises:
        InputError: it is, and Keras computes with another backend than TensorFlow.
    """
    if not any(kind.__module__.startswith("keras.") for kind in type(model).__mro__):
        return False
    import keras

    if not isinstance(model, keras.Model):
        return False
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras 3 computes with {keras.backend.backend()} here, and a .tflite is made from TensorFlow's graph: set "
            "KERAS_BACKEND=tensorflow, and load the model again."
        )
    return True


def spec_of(name: str, tensor: Any) -> TensorSpec:
    """The shape and dtype of a symbolic tensor or a `tf.TensorSpec`; bfloat16, which numpy lacks, as float32."""
    shape = tuple(OPEN if side is None else int(side) for side in tensor.shape)
    dtype = tf.as_dtype(tensor.dtype)
    return TensorSpec(name, shape, np.dtype(np.float32 if dtype == tf.bfloat16 else dtype.as_numpy_dtype))


def has_graph(model: Any) -> bool:
    """Whether a Keras model is Functional or Sequential and built: its inputs, outputs and layers can be read."""
    try:
        return is_keras(model) and bool(model.inputs)
    except (AttributeError, ValueError):  # a Sequential that is not built
        return False


def _of_graph(model: Any) -> NamedFunction:
    """Of a Functional or Sequential model, whose symbolic inputs and outputs are there."""
    taken, given = structure(model)
    symbols, results = tf.nest.flatten(taken), tf.nest.flatten(given)
    input_names = leaf_names(taken, _called(model, "input_names", symbols))
    output_names = leaf_names(given, _called(model, "output_names", results))

    def call(tensors: Sequence[Any]) -> dict[str, Any]:
        answered = model(tf.nest.pack_sequence_as(taken, list(tensors)), training=False)
        return dict(zip(output_names, tf.nest.flatten(answered), strict=True))

    inputs = [spec_of(name, tensor) for name, tensor in zip(input_names, symbols, strict=True)]
    outputs = [spec_of(name, tensor) for name, tensor in zip(output_names, results, strict=True)]
    return NamedFunction(model.name, inputs, call, outputs=outputs, embeddings=_embeddings(model))


def structure(model: Any) -> tuple[Any, Any]:
    """A Functional or Sequential model's inputs and outputs as it is called: a tensor, a list or a dict of them."""
    if isinstance(model, tf_keras.Model):
        ends = (getattr(model, f"_nested_{end}", None) for end in ("inputs", "outputs"))
        taken, given = (
            own if own is not None else flat for own, flat in zip(ends, (model.inputs, model.outputs), strict=True)
        )
    else:
        taken, given = (getattr(model, f"_{end}_struct", getattr(model, end)) for end in ("inputs", "outputs"))
    one, two = (end[0] if isinstance(end, list) and len(end) == 1 else end for end in (taken, given))
    return one, two


def _called(model: Any, names: str, tensors: Sequence[Any]) -> list[str]:
    """What Keras calls a model's inputs or outputs; Keras 3 has names of layers, not of inputs."""
    if isinstance(model, tf_keras.Model):
        return list(getattr(model, names))
    return [tensor._keras_history.operation.name for tensor in tensors]


def _of_subclassed(model: Any, sizes: Sizes | None) -> NamedFunction:
    """Of a model whose graph is Python code: only what it was called on first says what it takes."""
    parameters = [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    arguments = _arguments(model, parameters, sizes)
    specs = tf.nest.flatten(arguments)
    names = leaf_names(arguments, [], alone=next(iter(arguments)) if len(arguments) == 1 else None)
    inputs = with_sizes([spec_of(name, spec) for name, spec in zip(names, specs, strict=True)], sizes, may_change=True)
    inputs = tuple(inputs)
    how = {"training": False} if "training" in parameters else {}

    def call(tensors: Sequence[Any]) -> dict[str, Any]:
        answered = model(**tf.nest.pack_sequence_as(arguments, list(tensors)), **how)
        outputs = tf.nest.flatten(answered)
        return dict(
            zip(leaf_names(answered, [f"output_{place}" for place in range(len(outputs))]), outputs, strict=True)
        )

    if not model.built:  # its variables cannot be made while it is traced
        zeros = [
            tf.zeros([1, *(1 if side == OPEN else side for side in spec.shape[1:])], spec.dtype) for spec in inputs
        ]
        with as_input_error(lambda why: f"The subclassed model '{model.name}', called on zeros, raised {why}"):
            call(zeros)
    return NamedFunction(model.name, inputs, call, embeddings=_embeddings(model))


def _arguments(model: Any, parameters: list[str], sizes: Sizes | None) -> dict[str, Any]:
    """The structure of `tf.TensorSpec`s of each argument of `call`."""
    found: dict[str, Any] = {}
    if isinstance(model, tf_keras.Model):
        saved = model.save_spec()
        if saved is not None:
            found = {**dict(zip(parameters, saved[0], strict=False)), **saved[1]}
            found = {name: spec for name, spec in found.items() if name not in ("training", "mask")}
        elif getattr(model, "_build_input_shape", None) is not None:
            found = {parameters[0]: _specs(model._build_input_shape, model)}
    elif shapes := getattr(model, "_build_shapes_dict", None):
        first = parameters[:1] if len(shapes) == 1 else [name.removesuffix("_shape") for name in shapes]
        found = {name: _specs(shape, model) for name, shape in zip(first, shapes.values(), strict=True)}
    needed = {
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if name in parameters and parameter.default is parameter.empty and name not in ("training", "mask")
    }
    if found and needed <= set(found):
        return found
    if sizes and needed <= set(sizes) <= set(parameters):
        return {name: tf.TensorSpec([None, *sizes[name]], tf.float32) for name in parameters if name in sizes}
    if sizes and len(sizes) == len(needed) == 1:
        return {next(iter(needed)): tf.TensorSpec([None, *next(iter(sizes.values()))], tf.float32)}
    listed = ", ".join(f"{name}: […]" for name in parameters if name in needed) or "NAME: […]"
    raise InputError(
        f"Nothing says what the subclassed model '{model.name}' takes: it was never called, or on several arguments, "
        f"of which Keras remembers the first alone. Say the size of each, without the batch: model.input_sizes: "
        f"{{{listed}}}. Or give it as a SavedModel, `model.export(FOLDER)`."
    )


def _specs(shape: Any, model: Any) -> Any:
    """A structure of shapes as one of `tf.TensorSpec`s with an open batch."""
    if isinstance(shape, Mapping):
        return {name: _specs(inner, model) for name, inner in shape.items()}
    sides = list(shape)
    if all(side is None or isinstance(side, int) for side in sides):
        return tf.TensorSpec([None, *sides[1:]], tf.as_dtype(getattr(model, "input_dtype", None) or "float32"))
    return [_specs(inner, model) for inner in sides]


def leaf_names(structure: Any, of_leaves: Sequence[str], alone: str | None = None) -> list[str]:
    """A unique name for each tensor of a structure, in `tf.nest`'s order.

    Args:
        structure: A tensor, or lists and dicts of them.
        of_leaves: What tensors in lists are called.
        alone: A key that needs not be said, since it is the only one.
    """
    from tensorflow.python.util.nest import flatten_with_tuple_paths

    names: list[str] = []
    for place, (path, _) in enumerate(flatten_with_tuple_paths(structure)):
        inner = path[1:] if alone is not None and len(path) > 1 and isinstance(path[1], str) else path
        name = "_".join(map(str, inner)) if any(isinstance(step, str) for step in inner) else of_leaves[place]
        names.append(_unique(name, names))
    return names


def _unique(name: str, taken: Iterable[str]) -> str:
    known, free, count = set(taken), name, 0
    while free in known:
        count += 1
        free = f"{name}_{count}"
    return free


def _embeddings(model: Any) -> list[int]:
    layers = model.submodules if isinstance(model, tf_keras.Model) else model._flatten_layers()
    return [int(layer.input_dim) for layer in layers if type(layer).__name__ == "Embedding"]
