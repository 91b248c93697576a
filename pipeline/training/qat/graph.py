"""A Keras model as plain data: calls of layers on values. What the rewrites for QAT work on.

A Keras Functional model cannot be edited in place: a layer remembers every call it was in. Here a layer is its class,
its configuration and its weights as numpy arrays; a call names its layer, its arguments and its results. A layer that
is called twice is one `Layer` in two `Call`s, so that what shared its weights still does after any rewrite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.models.backend import tf, tf_keras

Shape = tuple[int | None, ...]


class Value:
    """A tensor between two layers, known by identity.

    Args:
        shape: With the batch, None where open.
        dtype: TensorFlow's name for it.
    """

    def __init__(self, shape: Iterable[int | None], dtype: str = "float32") -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"Value({self.shape}, {self.dtype})"


@dataclass(eq=False)
class Layer:
    """What a Keras layer is made of."""

    kind: type
    config: dict[str, Any]
    weights: list[NDArray[Any]] = field(default_factory=list)
    """In the order of `get_weights`; empty for new layers without weights."""
    inner: Graph | None = None
    """The graph of a model that is used as a layer."""
    made_from: Any = None
    """The Keras layer that was read, where its configuration does not say all: a Lambda."""
    fixed_statistics: bool = False
    """Of a BatchNormalization: it normalizes by its moving statistics in training too."""

    @property
    def name(self) -> str:
        return str(self.config["name"])

    def __repr__(self) -> str:
        return f"{self.kind.__name__} '{self.name}'"


@dataclass(eq=False)
class Call:
    """One use of a layer."""

    layer: Layer
    args: tuple[Any, ...]
    """As the layer was called, with `Value`s among them."""
    kwargs: dict[str, Any]
    outputs: list[Value]
    inputs: list[Value] = field(init=False)
    """All values that are read, in the order of the arguments; one that is read twice stands there twice."""

    def __post_init__(self) -> None:
        self.inputs = [leaf for leaf in tf.nest.flatten((self.args, self.kwargs)) if isinstance(leaf, Value)]

    @property
    def input(self) -> Value:
        """The one value that is read.

        Raises:
            ValueError: there are several, or none.
        """
        [value] = self.inputs
        return value

    @property
    def output(self) -> Value:
        """The one result.

        Raises:
            ValueError: there are several.
        """
        [value] = self.outputs
        return value

    def is_a(self, *names: str) -> bool:
        """Whether the layer is of one of these `tf_keras.layers` classes, not of a subclass."""
        return self.layer.kind in {getattr(tf_keras.layers, name, None) for name in names}

    def reads(self, new: Callable[[Value], Value]) -> None:
        """Replace every value that is read."""

        def leaf(item: Any) -> Any:
            return new(item) if isinstance(item, Value) else item

        self.args, self.kwargs = tf.nest.map_structure(leaf, (self.args, self.kwargs))
        self.__post_init__()


class Graph:
    """A model: its calls in an order in which they can run, its inputs and its outputs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.inputs: Any = []
        """Values, nested as the model takes them."""
        self.outputs: Any = []
        """Values, nested as the model gives them."""
        self.output_names: list[str] = []

    # Reading

    def producer(self, value: Value) -> Call:
        """The call that computes a value."""
        return next(call for call in self.calls if any(output is value for output in call.outputs))

    def consumers(self, value: Value) -> list[Call]:
        """The calls that read a value, each once."""
        return [call for call in self.calls if any(read is value for read in call.inputs)]

    def is_output(self, value: Value) -> bool:
        """Whether the model gives the value to its caller."""
        return any(output is value for output in tf.nest.flatten(self.outputs))

    def single_consumer(self, value: Value) -> Call | None:
        """The one call that reads a value, if nothing else does and it reads it once; not for outputs."""
        consumers = self.consumers(value)
        if len(consumers) != 1 or self.is_output(value) or sum(read is value for read in consumers[0].inputs) > 1:
            return None
        return consumers[0]

    def calls_of(self, layer: Layer) -> list[Call]:
        """Every use of a layer."""
        return [call for call in self.calls if call.layer is layer]

    def shared(self, layer: Layer) -> bool:
        """Whether the layer is used more than once."""
        return len(self.calls_of(layer)) > 1

    def layers(self) -> Iterator[Layer]:
        """Every layer once, in the order of first use."""
        seen: set[int] = set()
        for call in self.calls:
            if id(call.layer) not in seen:
                seen.add(id(call.layer))
                yield call.layer

    # Changing

    def unique(self, name: str) -> str:
        """The name, or the first free one that starts with it."""
        taken = {layer.name for layer in self.layers()}
        return next(free for free in _numbered(name) if free not in taken)

    def layer(
        self,
        kind: type | str,
        name: str,
        weights: Sequence[NDArray[Any]] = (),
        inner: Graph | None = None,
        **config: Any,
    ) -> Layer:
        """A new layer; its name is made unique.

        Args:
            kind: A layer class, or the name of one of `tf_keras.layers`.
            name: What it should be called.
            weights: In the order of `get_weights`.
            config: The constructor's arguments.
        """
        made = getattr(tf_keras.layers, kind) if isinstance(kind, str) else kind
        return Layer(made, {**config, "name": self.unique(name)}, list(weights), inner)

    def insert(self, place: int, layer: Layer, inputs: Value | Sequence[Value], output: Value) -> Call:
        """Call a layer on one value or a list of values, as the operator at a place."""
        args = (inputs,) if isinstance(inputs, Value) else (list(inputs),)
        call = Call(layer, args, {}, [output])
        self.calls.insert(place, call)
        return call

    def position(self, call: Call) -> int:
        """Where the call stands among the calls."""
        return next(place for place, other in enumerate(self.calls) if other is call)

    def replace(self, call: Call, *steps: tuple[Layer, Sequence[Value] | Value, Value]) -> list[Call]:
        """Put calls of other layers in a call's place; the last of them must give the call's output.

        Where the call's layer is used nowhere else, the last one inherits its name.
        """
        place = self.position(call)
        del self.calls[place]
        last, name = steps[-1][0], call.layer.name
        if last.name.startswith(f"{name}_") and not self.calls_of(call.layer):
            last.config["name"] = self.unique(name)
        return [self.insert(place + offset, *step) for offset, step in enumerate(steps)]

    def replace_with(self, call: Call, calls: Sequence[Call]) -> None:
        """Put other calls in a call's place; the last of them gives the call's output, and its layer inherits the name.

        As :meth:`replace`, for calls with any number of results.
        """
        place = self.position(call)
        self.calls[place : place + 1] = calls
        if not self.calls_of(call.layer):
            calls[-1].layer.config["name"] = self.unique(call.layer.name)

    def after(self, value: Value, layer: Layer) -> Value:
        """Call a layer on a value, for everything that reads the value now.

        Returns:
            The new value, which the consumers and the model's outputs have in the old one's place.
        """
        new = Value(value.shape, value.dtype)
        place = self.position(self.producer(value)) + 1
        self.redirect(value, new)
        self.insert(place, layer, value, new)
        return new

    def before(self, call: Call, layer: Layer, shape: Shape | None = None) -> Value:
        """Call a layer on a call's only input, for this call alone.

        Returns:
            The new value that the call reads.
        """
        old = call.input
        new = Value(old.shape if shape is None else shape, old.dtype)
        self.insert(self.position(call), layer, old, new)
        call.reads(lambda value: new if value is old else value)
        return new

    def drop(self, call: Call) -> None:
        """Take out a call that passes its only input through; its consumers read that input."""
        kept = call.input
        self.calls.remove(call)
        self.redirect(call.output, kept)

    def redirect(self, old: Value, new: Value) -> None:
        """Let every consumer of a value, and the model's outputs, take another one."""

        def swap(value: Value) -> Value:
            return new if value is old else value

        for call in self.calls:
            if any(value is old for value in call.inputs):
                call.reads(swap)
        self.outputs = tf.nest.map_structure(swap, self.outputs)

    def prune(self) -> None:
        """Drop calls whose results nobody reads; inputs stay."""
        needed = {id(value) for value in tf.nest.flatten(self.outputs)}
        kept = []
        for call in reversed(self.calls):
            if is_input(call) or any(id(output) in needed for output in call.outputs):
                needed |= {id(value) for value in call.inputs}
                kept.append(call)
        self.calls = kept[::-1]

    # Back to Keras

    def build(self, wrap: Callable[[Layer, Any], Any] | None = None) -> Any:
        """The `tf_keras` Functional model, with the weights.

        Args:
            wrap: Gets every layer with the Keras layer made of it, and gives what takes that one's place.
        """
        self._restore_output_names()
        made: dict[int, Any] = {}
        tensors: dict[int, Any] = {}

        def tensor(leaf: Any) -> Any:
            return tensors[id(leaf)] if isinstance(leaf, Value) else leaf

        for call in self.calls:
            if is_input(call):
                [value] = call.outputs
                tensors[id(value)] = tf_keras.Input(
                    value.shape[1:], batch_size=value.shape[0], dtype=value.dtype, name=call.layer.name
                )
                continue
            if id(call.layer) not in made:
                keras_layer = _keras_layer(call.layer)
                made[id(call.layer)] = wrap(call.layer, keras_layer) if wrap is not None else keras_layer
            args, kwargs = tf.nest.map_structure(tensor, (call.args, call.kwargs))
            results = tf.nest.flatten(made[id(call.layer)](*args, **kwargs))
            tensors.update((id(value), result) for value, result in zip(call.outputs, results, strict=True))
        for layer in self.layers():
            if layer.weights and layer.inner is None:
                made[id(layer)].set_weights(layer.weights)
        inputs, outputs = tf.nest.map_structure(tensor, (self.inputs, self.outputs))
        return tf_keras.Model(inputs, outputs, name=self.name)

    def _restore_output_names(self) -> None:
        """Keras names an output after the layer that gives it, and people know their outputs by name."""
        by_name = {layer.name: layer for layer in self.layers()}
        for value, name in zip(tf.nest.flatten(self.outputs), self.output_names, strict=True):
            layer = self.producer(value).layer
            if layer.name == name or is_input(self.producer(value)):
                continue
            if name in by_name:
                by_name[name].config["name"] = self.unique(f"{name}_linear")
            layer.config["name"] = name
            by_name = {layer.name: layer for layer in self.layers()}


def read(model: Any, known_layers: dict[int, Layer] | None = None, frozen: bool = False) -> Graph:
    """A Functional or Sequential `tf_keras` model as a graph; models used as layers become `Layer.inner`.

    Args:
        model: A built model; it is left alone.
        known_layers: Layers that were read before, by the Keras layers' `id`: one that stands in several models of a
            model is one layer.
        frozen: Whether the model is part of one that is not trained. In what is not trained, no layer is.

    Raises:
        InputError: the model is subclassed, or a Sequential model whose input shape is not known.
    """
    if not getattr(model, "_is_graph_network", False):
        raise InputError(
            f"The model '{model.name}' is subclassed or not built: its graph cannot be read, so "
            "tensorflow-model-optimization cannot quantize it. Build it with the functional API, with a known input "
            "shape, or take post-training quantization, which takes every model: run the recipe with --ptq."
        )
    graph = Graph(model.name)
    layers: dict[int, Layer] = {} if known_layers is None else known_layers
    values: dict[int, Value] = {}
    frozen = frozen or not model.trainable

    def known(leaf: Any) -> Any:
        return values.get(id(leaf), leaf)

    for node in nodes(model):
        keras_layer = node.layer
        if id(keras_layer) not in layers:
            layers[id(keras_layer)] = _layer(keras_layer, layers, frozen)
        args, kwargs = tf.nest.map_structure(known, (tuple(node.call_args), dict(node.call_kwargs)))
        kwargs.pop("mask", None)
        outputs = []
        for tensor in tf.nest.flatten(node.outputs):
            halves = tensor.dtype in (tf.float16, tf.bfloat16)
            values[id(tensor)] = Value(tensor.shape, "float32" if halves else tensor.dtype.name)
            outputs.append(values[id(tensor)])
        graph.calls.append(Call(layers[id(keras_layer)], args, kwargs, outputs))
    graph.inputs = tf.nest.map_structure(known, model._nested_inputs)
    graph.outputs = tf.nest.map_structure(known, model._nested_outputs)
    graph.output_names = list(model.output_names)
    return graph


def nodes(model: Any) -> Iterator[Any]:
    """Keras's calls of layers, in an order in which they can run."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _layer(layer: Any, known: dict[int, Layer], frozen: bool) -> Layer:
    if isinstance(layer, tf_keras.Model) and getattr(layer, "_is_graph_network", False):
        return Layer(type(layer), {"name": layer.name}, inner=read(layer, known, frozen))
    if isinstance(layer, tf_keras.layers.Lambda):
        return Layer(type(layer), {"name": layer.name}, made_from=layer)
    config = _in_float32(layer.get_config())
    if frozen and "trainable" in config:
        config["trainable"] = False
    if isinstance(config.get("activation"), dict) and callable(getattr(layer, "activation", None)):
        config["activation"] = layer.activation  # a function of the user's, that Keras knows only by name
    return Layer(type(layer), config, layer.get_weights())


def _in_float32(item: Any) -> Any:
    """A configuration without mixed precision, which keeps its weights in float32 anyway: int8 starts from there."""
    if isinstance(item, dict):
        if item.get("class_name") == "Policy" and "mixed" in str(item["config"]["name"]):
            return "float32"
        return {key: _in_float32(part) for key, part in item.items()}
    if isinstance(item, list | tuple) and type(item) in (list, tuple):
        return type(item)(_in_float32(part) for part in item)
    return "float32" if isinstance(item, str) and item in ("mixed_float16", "mixed_bfloat16") else item


def _keras_layer(layer: Layer) -> Any:
    if layer.inner is not None:
        built = layer.inner.build()
        built._name = layer.name
        return built
    if layer.made_from is not None:
        return tf_keras.layers.Lambda(layer.made_from.function, arguments=layer.made_from.arguments, name=layer.name)
    return layer.kind.from_config(dict(layer.config))  # type: ignore[attr-defined]


def is_input(call: Call) -> bool:
    """Whether the call is an input of the model."""
    return call.layer.kind is tf_keras.layers.InputLayer


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1
