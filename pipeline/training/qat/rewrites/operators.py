"""Operators written as functions (`x + y`, `tf.nn.relu6(x)`, `x[:, 0]`), turned into layers.

Keras keeps them as TFOpLambda, whose arguments live in the call: tfmot can neither clone nor wrap it. Where Keras has
a layer for the function it is taken; anything else becomes an :class:`~pipeline.models.fake_quant.operation.Operation`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.models.fake_quant.operation import Operation, encode
from pipeline.training.qat.graph import Call, Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change

FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")

_NOTHING = frozenset({"identity", "convert_to_tensor", "debugging.check_numerics", "ensure_shape"})
_ACTIVATIONS = {
    "nn.relu": "relu",
    "nn.silu": "swish",
    "nn.swish": "swish",
    "nn.sigmoid": "sigmoid",
    "math.sigmoid": "sigmoid",
    "nn.tanh": "tanh",
    "math.tanh": "tanh",
    "nn.elu": "elu",
    "nn.selu": "selu",
}
_ADD = frozenset({"math.add", "__operators__.add"})
_SUBTRACT = frozenset({"math.subtract", "__operators__.sub"})
_MULTIPLY = frozenset({"math.multiply", "__operators__.mul"})
_DIVIDE = frozenset({"math.divide", "math.truediv", "__operators__.truediv"})


def operators_to_layers(graph: Graph) -> list[Change]:
    """Replace every function call that can be kept as data; one that reads a variable stays."""
    changes = []
    for call in list(graph.calls):
        if call.layer.kind.__name__ not in FUNCTIONS:
            continue
        function = plain_name(str(call.layer.config["function"]))
        name = call.layer.name.replace("tf.", "").replace("__operators__.", "").replace(".", "_")
        if function in _NOTHING or (function == "cast" and call.input.dtype == call.output.dtype):
            graph.drop(call)
            changes.append(_change(call, "it does nothing, and is gone"))
            continue
        layer, inputs = _standard(graph, call, function, name) or (None, [])
        if layer is None:
            operation = _operation(graph, call, name)
            if operation is None:
                continue
            layer, inputs = operation, call.inputs
        [step] = graph.replace(call, (layer, inputs[0] if len(inputs) == 1 else inputs, call.outputs[0]))
        step.outputs = call.outputs
        changes.append(_change(call, f"the layer {layer.kind.__name__}"))
    return changes


def plain_name(function: str) -> str:
    """TensorFlow's name of a function, whichever of its versions was called."""
    return function.removeprefix("compat.v1.").removeprefix("compat.v2.")


def constant_operand(call: Call) -> np.ndarray[Any, Any] | None:
    """The constant of an Operation with one value and one constant that commute (add, multiply), else None."""
    if call.layer.kind is not Operation or call.layer.config["function"] not in ("math.add", "math.multiply"):
        return None
    args, keywords = call.layer.config["arguments"]["tuple"]
    if keywords["dict"] or len(args["tuple"]) != 2:
        return None
    constants = [item for item in args["tuple"] if not (isinstance(item, dict) and "value" in item)]
    if len(constants) != 1:
        return None
    item = constants[0]
    return np.asarray(item["array"] if isinstance(item, dict) else item, np.float32)


def with_constant(graph: Graph, function: str, constant: Any, name: str) -> Layer:
    """A layer that adds a constant to its input or multiplies it by one (`math.add`, `math.multiply`)."""
    argument = object()
    arguments = encode(((argument, np.asarray(constant, np.float32)), {}), lambda item: 0 if item is argument else None)
    return graph.layer(Operation, name, function=function, arguments=arguments)


def _change(call: Call, remedy: str) -> Change:
    what = f"a function ({call.layer.config['function']}), not a layer"
    return Change(call.layer.name, call.layer.kind.__name__, what, remedy)


def _operation(graph: Graph, call: Call, name: str) -> Layer | None:
    def place(item: Any) -> int | None:
        return next((i for i, value in enumerate(call.inputs) if value is item), None)

    keywords = {key: item for key, item in call.kwargs.items() if key != "name"}
    try:
        arguments = encode((tuple(call.args), keywords), place)
    except TypeError:
        return None
    return graph.layer(Operation, name, function=call.layer.config["function"], arguments=arguments)


def _arguments(call: Call, *names: str) -> list[Any]:
    """Positional and keyword arguments by the function's names for them; None for one that is not given."""
    given = dict(zip(names, call.args, strict=False))
    return [given.get(name, call.kwargs.get(name)) for name in names]


def _standard(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    """A Keras layer that computes the function, and what it reads; None where there is none."""
    if any(not isinstance(output, Value) for output in call.outputs) or len(call.outputs) != 1:
        return None
    for functions, build in _TABLE:
        if function in functions:
            return build(graph, call, function, name)
    return None


def _binary(kind: str, onto_constant: str | None) -> Callable[..., tuple[Layer, list[Value]] | None]:
    """A layer for two values of the kind; one value and a constant become an Operation that commutes."""

    def build(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
        x, y = _arguments(call, "x", "y") if len(call.args) != 1 else [call.args[0], call.kwargs.get("y")]
        if isinstance(x, Value) and isinstance(y, Value):
            return (graph.layer(kind, name), [x, y]) if kind else None
        value, other, first = (x, y, True) if isinstance(x, Value) else (y, x, False)
        if other is None or not isinstance(value, Value) or value.dtype != "float32" or hasattr(other, "assign"):
            return None
        constant = np.asarray(other, np.float32)
        if constant.ndim > len(value.shape):
            return None
        if function in _SUBTRACT | _DIVIDE:
            if not first:
                return None
            constant = -constant if function in _SUBTRACT else np.float32(1) / constant
        return (with_constant(graph, onto_constant, constant, name), [value]) if onto_constant else None

    return build


def _activation(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]]:
    return graph.layer("Activation", name, activation=_ACTIVATIONS[function]), [call.input]


def _relu6(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]]:
    return graph.layer("ReLU", name, max_value=6.0), [call.input]


def _clip(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    value, low, high = _arguments(call, "t", "clip_value_min", "clip_value_max")
    if isinstance(value, Value) and np.ndim(low) == 0 and np.ndim(high) == 0 and float(low) == 0 < float(high):
        return graph.layer("ReLU", name, max_value=float(high)), [value]
    return None


def _gelu(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    value, approximate = _arguments(call, "features", "approximate")
    return None if approximate else (graph.layer("Activation", name, activation="gelu"), [value])


def _softmax(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]]:
    value, axis = _arguments(call, "logits", "axis")
    return graph.layer("Softmax", name, axis=-1 if axis is None else int(axis)), [value]


def _leaky(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]]:
    value, alpha = _arguments(call, "features", "alpha")
    return graph.layer("LeakyReLU", name, alpha=0.2 if alpha is None else float(alpha)), [value]


def _square(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]]:
    return graph.layer("Multiply", name), [call.input, call.input]


def _reshape(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    """Any function that only rearranges dimensions after the batch."""
    value, result = call.inputs[0], call.output
    sides = [side for side in result.shape[1:] if side is not None]
    given = [side for side in value.shape[1:] if side is not None]
    if len(call.inputs) > 1 or value.shape[0] is not None or result.shape[0] is not None or not sides:
        return None
    if len(sides) < len(result.shape) - 1 or len(given) < len(value.shape) - 1 or np.prod(sides) != np.prod(given):
        return None
    return graph.layer("Reshape", name, target_shape=tuple(sides)), [value]


def _concat(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    values, axis = _arguments(call, "values", "axis")
    if not isinstance(values, list | tuple) or not all(isinstance(value, Value) for value in values):
        return None
    return (graph.layer("Concatenate", name, axis=int(axis)), list(values)) if len(values) > 1 else None


def _mean(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    value, axis, keep = _arguments(call, "input_tensor", "axis", "keepdims")
    if len(value.shape) != 4 or axis is None or sorted(int(a) % 4 for a in np.atleast_1d(axis)) != [1, 2]:
        return None
    return graph.layer("GlobalAveragePooling2D", name, keepdims=bool(keep)), [value]


def _pad(graph: Graph, call: Call, function: str, name: str) -> tuple[Layer, list[Value]] | None:
    names = ("tensor", "paddings", "mode", "name", "constant_values")
    value, paddings, mode, _, constant = _arguments(call, *names)  # tf.pad records its first version's order
    if len(value.shape) != 4 or mode not in (None, "CONSTANT") or constant or isinstance(paddings, Value):
        return None
    sides = np.asarray(paddings).tolist()
    if sides[0] != [0, 0] or sides[3] != [0, 0]:
        return None
    return graph.layer("ZeroPadding2D", name, padding=(tuple(sides[1]), tuple(sides[2]))), [value]


_TABLE: tuple[tuple[frozenset[str], Callable[..., tuple[Layer, list[Value]] | None]], ...] = (
    (_ADD, _binary("Add", "math.add")),
    (_SUBTRACT, _binary("Subtract", "math.add")),
    (_MULTIPLY, _binary("Multiply", "math.multiply")),
    (_DIVIDE, _binary("", "math.multiply")),
    (frozenset({"math.maximum"}), _binary("Maximum", None)),
    (frozenset(_ACTIVATIONS), _activation),
    (frozenset({"nn.relu6"}), _relu6),
    (frozenset({"clip_by_value"}), _clip),
    (frozenset({"nn.gelu"}), _gelu),
    (frozenset({"nn.softmax"}), _softmax),
    (frozenset({"nn.leaky_relu"}), _leaky),
    (frozenset({"math.square"}), _square),
    (frozenset({"reshape", "squeeze", "expand_dims"}), _reshape),
    (frozenset({"concat"}), _concat),
    (frozenset({"math.reduce_mean"}), _mean),
    (frozenset({"pad"}), _pad),
)
