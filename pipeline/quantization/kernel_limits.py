"""Widen ranges that no kernel can compute with: constant activations, and such as are next to nothing.

An activation that is always zero has no scale. One that hardly moves has a scale so small that its int32 bias overflows
or that XNNPACK refuses the whole model when it is loaded, on the phone as here. Its limits (XNNPACK, src/subgraph and
src/operators) are: input scale × weight scale below 256 output scales in layers, and both operands of ADD and SUB
between 1/1024 and 256 times the output's scale. TFLite's own kernels end the process where the output's scale of ADD
and SUB is below 2⁻¹⁹ of an operand's, and that of SQUARED_DIFFERENCE below 2⁻¹² of an operand's squared; HARD_SWISH is
refused where its scale is below 1/128 of its input's. A range widened to keep them loses nothing: its new steps are
still finer than what the operators beside it can tell apart.

Ranges that calibration measured and ranges that QAT learned are widened alike, when the file is written.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorType
from numpy.typing import NDArray

from pipeline.quantization.learned import ONLY_MOVE
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.weighted_operators import KINDS, constant, layers
from pipeline.tflite import flatbuffer

LAYER_RATIO = 128.0
"""Most that input scale × weight scale may be, in output scales. XNNPACK's limit is 256."""
SUM_RATIO = 512.0
"""Most that the output's scale of a sum may be, in scales of an operand. XNNPACK's limit is 1024."""
SUM_RESULT_RATIO = 128.0
"""Most that an operand's scale may be, in scales of the sum. XNNPACK's limit is 256."""
HARD_SWISH_RATIO = 64.0
"""Most that the input's scale may be, in scales of a HARD_SWISH. TFLite's limit is 128."""
SQUARE_RATIO = 2.0**11
"""Most that an operand's scale may be, squared, in scales of a SQUARED_DIFFERENCE. TFLite's limit is 2¹²."""
_SUMS = ("ADD", "SUB")
_KEEPS_SCALE = (*ONLY_MOVE, "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
"""Operators that are written on their input's steps, whatever range their output has."""
_TINY = float(np.finfo(np.float32).tiny)
NOTHING = 1e-12
"""Share of the width of what an operator is fed below which its output counts as constant."""
BIAS_STEPS = 2.0**30
"""Largest bias, in steps of input scale × weight scale. int32 ends at 2^31."""


def wide_enough(model: ModelT, ranges: Ranges) -> Ranges:
    """The ranges, with those widened that kernels could not compute with.

    Args:
        model: The float model. Read, not changed.
        ranges: (min, max) of its activations by tensor name.
    """
    graph = model.subgraphs[0]
    names = [flatbuffer.tensor_name(tensor) for tensor in graph.tensors]
    found = {name: (min(low, 0.0), max(high, 0.0)) for name, (low, high) in ranges.items()}
    largest = {layer.place: float(np.abs(constant(model, layer.weights)).max(initial=0)) for layer in layers(model)}

    def width(index: int) -> float:
        low, high = found.get(names[index], (0.0, 0.0))
        return high - low

    def widen(index: int, least: float) -> None:
        if names[index] in found and least > 0 and width(index) < least:
            found[names[index]] = _widened(found[names[index]], least)

    for index in graph.inputs:
        if width(int(index)) <= _TINY:
            widen(int(index), 1.0)
    for place, operator in enumerate(graph.operators):
        kind = flatbuffer.operator_name(model, operator)
        fed = [index for index in _activations(model, operator) if names[index] in found]
        operands = [width(index) for index in fed] + [_spread(model, operator, found)]
        for index in operator.outputs:
            beside = max([width(one) for one in fed], default=1.0)
            if width(index) <= NOTHING * beside:
                widen(index, beside)
            if place in largest and fed:
                widen(index, width(fed[0]) * largest[place] / 127 / LAYER_RATIO)
            if kind in _SUMS:
                widen(index, max(operands) / SUM_RESULT_RATIO)
            if kind in _KEEPS_SCALE and fed and names[index] in found:
                found[names[index]] = found[names[fed[0]]]
            if kind == "HARD_SWISH":
                widen(index, max(operands) / HARD_SWISH_RATIO)
            if kind == "SQUARED_DIFFERENCE":
                widen(index, max(operands) ** 2 / 255 / SQUARE_RATIO)
    for operator in reversed(graph.operators):
        if flatbuffer.operator_name(model, operator) in _SUMS:
            for index in _activations(model, operator):
                widen(index, width(int(operator.outputs[0])) / SUM_RATIO)
    return Ranges({**ranges.pairs, **{k: v for k, v in found.items() if _is_wider(v, ranges[k])}}, ranges.method)


def weight_scales_for(
    scales: NDArray[np.float32], bias: NDArray[np.float64], input_scale: float
) -> NDArray[np.float32]:
    """Weight scales with which a bias fits into int32: raised where weights are next to nothing beside it.

    Args:
        scales: float32 [channels] or [1].
        bias: float64 [channels], in real units.
        input_scale: Of the layer's activations.
    """
    least = np.abs(bias) / (input_scale * BIAS_STEPS)
    if len(scales) == 1:
        least = least.max(initial=0.0, keepdims=True)
    raised: NDArray[np.float32] = np.maximum(scales, least.astype(np.float32))
    return raised


def _activations(model: ModelT, operator: OperatorT) -> list[int]:
    """The float tensors that an operator takes and that are no constants; a layer's own come first."""
    graph = model.subgraphs[0]
    kind = KINDS.get(flatbuffer.operator_name(model, operator))
    order = [int(index) for index in operator.inputs if index >= 0]
    if kind is not None and len(operator.inputs) > kind.activations:
        order = [int(operator.inputs[kind.activations])]
    return [
        index
        for index in order
        if graph.tensors[index].type == TensorType.FLOAT32 and not flatbuffer.is_constant(model, graph.tensors[index])
    ]


def _spread(model: ModelT, operator: OperatorT, ranges: Mapping[str, tuple[float, float]]) -> float:
    """The width of the widest constant among an operator's inputs, zero in it; 0 where it has none.

    Of a constant that has a range, an attention mask, it is that.
    """
    tensors = model.subgraphs[0].tensors
    held = {index: flatbuffer.tensor_data(model, tensors[index]) for index in operator.inputs if index >= 0}
    sides = [
        ranges.get(flatbuffer.tensor_name(tensors[index]), (data.min(), data.max()))
        for index, data in held.items()
        if data is not None and data.size and data.dtype.kind == "f"
    ]
    return max((float(max(high, 0) - min(low, 0)) for low, high in sides), default=0.0)


def _widened(pair: tuple[float, float], width: float) -> tuple[float, float]:
    """In proportion, so that the zero point stays where it is."""
    low, high = pair
    if low == high:
        return 0.0, width
    return low * width / (high - low), high * width / (high - low)


def _is_wider(new: tuple[float, float], old: tuple[float, float]) -> bool:
    return new[1] - new[0] > max(old[1], 0.0) - min(old[0], 0.0)
