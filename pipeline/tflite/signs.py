"""Which tensors of a float graph are never negative, whatever the inputs: read off the operators that make them."""

from __future__ import annotations

import math
from collections.abc import Callable

from ai_edge_litert.schema_py_generated import ActivationFunctionType, ModelT, OperatorT

from pipeline.tflite import flatbuffer

_ALWAYS = frozenset(
    {"ABS", "EXP", "LOGISTIC", "RELU", "RELU6", "RELU_0_TO_1", "RSQRT", "SOFTMAX", "SQRT", "SQUARE"}
    | {"SQUARED_DIFFERENCE"}
)
_OF_FIRST = frozenset(
    {"AVERAGE_POOL_2D", "EXPAND_DIMS", "MAX_POOL_2D", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "RESHAPE", "SQUEEZE"}
    | {"STRIDED_SLICE", "SUM", "TRANSPOSE"}
)
"""Operators that give no negative value where their first input has none."""
_OF_BOTH = frozenset({"ADD", "DIV", "MINIMUM", "MUL"})
_RECTIFIED = (ActivationFunctionType.RELU, ActivationFunctionType.RELU6)
_DEEPEST = 30
"""Operators that are looked through, one behind the other."""


def is_never_negative(model: ModelT, index: int) -> bool:
    """Whether every value of a tensor of the main graph is at least 0; False where that cannot be told."""
    graph = model.subgraphs[0]
    makers = flatbuffer.producers(graph)

    def known(tensor: int, left: int) -> bool:
        values = flatbuffer.tensor_data(model, graph.tensors[tensor])
        if values is not None:
            return values.dtype.kind == "f" and bool((values >= 0).all())
        if tensor not in makers or left == 0:
            return False
        return _of_operator(model, graph.operators[makers[tensor]], lambda other: known(other, left - 1))

    return known(index, _DEEPEST)


def _of_operator(model: ModelT, operator: OperatorT, known: Callable[[int], bool]) -> bool:
    kind = flatbuffer.operator_name(model, operator)
    inputs = [int(index) for index in operator.inputs]
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", ActivationFunctionType.NONE)
    if kind in _ALWAYS or fused in _RECTIFIED:
        return True
    if kind == "MUL" and inputs[0] == inputs[1]:
        return True
    if kind == "POW":
        power = flatbuffer.tensor_data(model, model.subgraphs[0].tensors[inputs[1]])
        return power is not None and power.size == 1 and math.fmod(float(power.reshape(-1)[0]), 2) == 0
    if kind == "MAXIMUM":
        return any(map(known, inputs))
    return all(map(known, inputs)) if kind in _OF_BOTH else kind in _OF_FIRST and known(inputs[0])
