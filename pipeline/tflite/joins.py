"""Where tensors are joined into one, and where their values go from there: CONCATENATION and PACK.

In integers the joined tensor has one scale, so the widest of its parts decides the steps of all. A MUL by a constant
whose values differ by much, boxes · 640 beside scores · 1, makes such parts out of one tensor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT, TensorType
from numpy.typing import NDArray

from pipeline.tflite import flatbuffer

JOINS = frozenset({"CONCATENATION", "PACK"})
MOVES = frozenset(
    {
        "BATCH_TO_SPACE_ND",
        "BROADCAST_TO",
        "DEPTH_TO_SPACE",
        "DYNAMIC_UPDATE_SLICE",
        "EXPAND_DIMS",
        "GATHER",
        "GATHER_ND",
        "MAX_POOL_2D",
        "MIRROR_PAD",
        "PAD",
        "RESHAPE",
        "RESIZE_NEAREST_NEIGHBOR",
        "REVERSE_V2",
        "SLICE",
        "SPACE_TO_BATCH_ND",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SPLIT_V",
        "SQUEEZE",
        "STRIDED_SLICE",
        "TILE",
        "TRANSPOSE",
        "UNPACK",
    }
)
"""Operators whose outputs are values of their one input, at the same scale: what error there is was there before."""
ELEMENTWISE = frozenset(
    {
        *("ABS", "ADD", "DIV", "EXP", "LOG", "MAXIMUM", "MINIMUM", "MUL", "NEG", "POW", "RSQRT", "SQRT", "SQUARE"),
        *("SQUARED_DIFFERENCE", "SUB", "LOGISTIC", "TANH", "SOFTMAX", "LEAKY_RELU", "RELU", "RELU6", "HARD_SWISH"),
    }
)
"""Operators that do little more work than to read their input: the arithmetic of a box decode, and activations."""
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True, eq=False)
class Join:
    """One CONCATENATION or PACK of the main graph, or a MUL that makes as different parts.

    Operators are given by their places, tensors by their indices.
    """

    place: int
    parts: tuple[int, ...]
    """Tensors, constants too, each once."""
    joined: int
    behind: tuple[int, ...]
    """The operators that do nothing but move its values on or join them with others, in order."""
    outputs: tuple[int, ...]
    """Positions among the model's outputs that its values reach so."""
    computed_with: tuple[int, ...]
    """The operators that compute with its values, in order."""
    factors: NDArray[np.float32] | None = None
    """Of a MUL: what the values of its one part are multiplied with, in the joined tensor's shape."""


def joins(model: ModelT) -> list[Join]:
    """Every one of the main graph, in order; a conversion of types between two operators counts as moving."""
    graph = model.subgraphs[0]
    return [
        _join(model, graph, place, operator)
        for place, operator in enumerate(graph.operators)
        if flatbuffer.operator_name(model, operator) in JOINS
    ]


def scalings(model: ModelT) -> list[Join]:
    """Every MUL of the main graph by a constant with several values, in order."""
    graph = model.subgraphs[0]
    found = []
    for place, operator in enumerate(graph.operators):
        if flatbuffer.operator_name(model, operator) != "MUL":
            continue
        tensors = {int(index): graph.tensors[int(index)] for index in operator.inputs if index >= 0}
        constants = [index for index, tensor in tensors.items() if flatbuffer.is_constant(model, tensor)]
        parts = tuple(index for index in tensors if index not in constants)
        if len(constants) != 1 or len(parts) != 1 or tensors[constants[0]].type != TensorType.FLOAT32:
            continue
        values = flatbuffer.tensor_data(model, tensors[constants[0]])
        shape = flatbuffer.tensor_shape(graph.tensors[int(operator.outputs[0])])
        if values is not None and values.size > 1:
            joined = _join(model, graph, place, operator)
            found.append(replace(joined, parts=parts, factors=np.broadcast_to(values, shape)))
    return found


def arithmetic_before(model: ModelT, tensors: tuple[int, ...]) -> tuple[int, ...]:
    """Places of the elementwise operators (a box decode, activations), and of those that move values between them,
    that tensors of the main graph come from, back to the layers before them."""
    graph = model.subgraphs[0]
    producers = flatbuffer.producers(graph)
    found: set[int] = set()
    open_ones = list(tensors)
    while open_ones:
        place = producers.get(open_ones.pop())
        if place is None or place in found:
            continue
        operator = graph.operators[place]
        if flatbuffer.operator_name(model, operator) in ELEMENTWISE | MOVES | JOINS:
            found.add(place)
            open_ones += [int(index) for index in operator.inputs if index >= 0]
    return tuple(sorted(found - _only_moving(model, graph, found)))


def without_conversions(model: ModelT, tensor: int) -> int:
    """The tensor that QUANTIZE and DEQUANTIZE made this one of; itself where none did."""
    graph = model.subgraphs[0]
    producers = flatbuffer.producers(graph)
    while (place := producers.get(tensor)) is not None:
        if flatbuffer.operator_name(model, graph.operators[place]) not in _CONVERSIONS:
            break
        tensor = int(graph.operators[place].inputs[0])
    return tensor


def _only_moving(model: ModelT, graph: SubGraphT, places: set[int]) -> set[int]:
    """Those of the operators that move values and read none that another of them has computed: they change nothing."""
    producers = flatbuffer.producers(graph)
    moving: set[int] = set()
    for place in sorted(places):
        operator = graph.operators[place]
        makers = {producers[int(index)] for index in operator.inputs if int(index) in producers}
        if flatbuffer.operator_name(model, operator) in MOVES and makers & places <= moving:
            moving.add(place)
    return moving


def _join(model: ModelT, graph: SubGraphT, place: int, operator: OperatorT) -> Join:
    consumers = flatbuffer.consumers(graph)
    joined = int(operator.outputs[0])
    behind, computing, reached = set[int](), set[int](), {joined}
    open_ones = [joined]
    while open_ones:
        tensor = open_ones.pop()
        for reader in consumers.get(tensor, []):
            kind = flatbuffer.operator_name(model, graph.operators[reader])
            if kind not in JOINS | MOVES | _CONVERSIONS:
                computing.add(reader)
            elif reader not in behind:
                behind.add(reader)
                made = [int(index) for index in graph.operators[reader].outputs]
                reached.update(made)
                open_ones += made
    outputs = tuple(position for position, index in enumerate(graph.outputs) if int(index) in reached)
    parts = tuple(dict.fromkeys(int(index) for index in operator.inputs if index >= 0))
    return Join(place, parts, joined, tuple(sorted(behind)), outputs, tuple(sorted(computing)))
