"""Read the ranges that QAT learned off the flatbuffer, and leave a plain float model behind.

In a converted QAT model every fake-quant node is a QUANTIZE followed by a DEQUANTIZE. The pair's scale and zero point
are the learned range; without the pair the graph is the float model that every format is made from.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.errors import InputError
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.flatbuffer import operator_name, tensor_name
from pipeline.tflite.prune import prune

_FAKE_QUANT = re.compile(r"([^/;]+)/FakeQuantWithMinMaxVars")
"""In a tensor's name, behind the layer that rounds it."""

_LIMITS: dict[int, tuple[int, int]] = {
    schema.TensorType.INT8: (-128, 127),
    schema.TensorType.UINT8: (0, 255),
    schema.TensorType.INT16: (-32768, 32767),
}


def take_out_fake_quant(content: bytes) -> tuple[bytes, Ranges]:
    """Split a converted QAT model into its float model and its learned ranges.

    Args:
        content: A float .tflite with QUANTIZE/DEQUANTIZE pairs, as :func:`pipeline.conversion.convert.to_flatbuffer`
            makes it from a QAT model. Weights under such a pair become the rounded float values.

    Returns:
        The float .tflite, and the ranges of the activations that had a pair.

    Raises:
        InputError: the graph quantizes without dequantizing: it is an int8 model already.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    producers, consumers = flatbuffer.producers(graph), flatbuffer.consumers(graph)

    kept_in_place: dict[int, int] = {}  # output of a pair → the tensor that it stands for
    gone: set[int] = set()
    values: dict[str, tuple[float, float]] = {}
    for place, op in enumerate(graph.operators):
        if operator_name(model, op) != "DEQUANTIZE":
            continue
        middle, result = op.inputs[0], op.outputs[0]
        if middle not in producers:
            continue  # a weight stored quantized
        quantize = graph.operators[producers[middle]]
        others = {operator_name(model, graph.operators[consumer]) for consumer in consumers[middle]} - {"DEQUANTIZE"}
        if operator_name(model, quantize) != "QUANTIZE" or others:
            raise InputError(
                f"The model is quantized already: the int8 tensor '{tensor_name(graph.tensors[middle])}' is computed "
                "with, not only rounded to. Give the float or the QAT model that it was made from."
            )
        source = quantize.inputs[0]
        weights = flatbuffer.tensor_data(model, graph.tensors[source])
        if weights is not None:
            _fill(model, graph.tensors[result], _rounded(weights, graph.tensors[middle]))
        else:
            kept_in_place[result] = source
            values[tensor_name(graph.tensors[source])] = _range(graph.tensors[middle])
        gone |= {place, producers[middle]}

    def stands_for(index: int) -> int:
        while index in kept_in_place:
            index = kept_in_place[index]
        return index

    graph.operators = [op for place, op in enumerate(graph.operators) if place not in gone]
    for op in graph.operators:
        op.inputs = [stands_for(index) for index in op.inputs]
    _before_joining(model, graph, values)
    _before_reshapes(model, graph, values)
    _behind_moves(model, graph, values)
    _keep_output_names(graph, stands_for, values)
    if values:
        _fixed_by_kernels(model, graph, values)
    for signature in model.signatureDefs or []:
        for entry in signature.outputs:
            entry.tensorIndex = stands_for(entry.tensorIndex)
    prune(model)
    return flatbuffer.serialize(model), Ranges(values, "learned by QAT")


def quantizer_tensors(content: bytes) -> dict[str, str]:
    """The tensor that each fake-quant of a converted QAT model rounds, by the layer that holds the fake-quant.

    Args:
        content: As :func:`take_out_fake_quant` takes it.

    Returns:
        Names of the tensors in the float model that :func:`take_out_fake_quant` gives, by tfmot's wrapper's name.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    ends = {int(index) for index in graph.outputs}
    found = {}
    for op in graph.operators:
        if operator_name(model, op) != "QUANTIZE" or flatbuffer.is_constant(model, graph.tensors[op.inputs[0]]):
            continue
        named = _FAKE_QUANT.search(tensor_name(graph.tensors[op.outputs[0]]))
        if named is None:
            continue
        # An output behind a pair hands its name to the tensor before it.
        results = [
            int(other.outputs[0])
            for other in graph.operators
            if operator_name(model, other) == "DEQUANTIZE" and other.inputs[0] == op.outputs[0]
        ]
        taken = next((index for index in results if index in ends), int(op.inputs[0]))
        found[named[1]] = tensor_name(graph.tensors[taken])
    return found


def _range(tensor: Any) -> tuple[float, float]:
    scale, zero, low, high = _parameters(tensor)
    return float((low - zero) * scale), float((high - zero) * scale)


def _rounded(weights: np.ndarray, tensor: Any) -> np.ndarray:
    scale, zero, low, high = _parameters(tensor)
    steps = np.clip(np.rint(weights / scale) + zero, low, high)
    rounded: np.ndarray = ((steps - zero) * scale).astype(np.float32)
    return rounded


def _parameters(tensor: Any) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Scale and zero point, shaped to broadcast over the tensor, and the stored type's limits."""
    quantization = flatbuffer.quantization(tensor)
    if quantization is None or tensor.type not in _LIMITS:
        raise InputError(f"The tensor '{tensor_name(tensor)}' is quantized without a scale: the file is damaged.")
    shape: tuple[int, ...] = ()
    if quantization.axis is not None:
        shape = tuple(-1 if axis == quantization.axis else 1 for axis in range(len(tensor.shape)))
    return quantization.scales.reshape(shape), quantization.zero_points.reshape(shape), *_LIMITS[tensor.type]


def _fill(model: Any, tensor: Any, values: np.ndarray) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.shape, tensor.shapeSignature = list(values.shape), None  # the converter leaves it out at times


_JOINING = ("CONCATENATION", "MAXIMUM", "MINIMUM")
"""Operators whose inputs are on the steps of their output."""


def _before_joining(model: Any, graph: Any, values: dict[str, tuple[float, float]]) -> None:
    """What is read by such an operator alone, and was not rounded by itself, is rounded on that one's steps."""
    consumers = flatbuffer.consumers(graph)
    for op in graph.operators:
        whole = tensor_name(graph.tensors[op.outputs[0]])
        if operator_name(model, op) in _JOINING and whole in values:
            for index in op.inputs:
                if len(consumers[index]) == 1:
                    values.setdefault(tensor_name(graph.tensors[index]), values[whole])


def _before_reshapes(model: Any, graph: Any, values: dict[str, tuple[float, float]]) -> None:
    """The converter moves RESHAPE and TRANSPOSE before fake-quants; the value before has the range of that behind."""
    for op in reversed(graph.operators):
        if operator_name(model, op) in ("RESHAPE", "TRANSPOSE"):
            source, result = (tensor_name(graph.tensors[index]) for index in (op.inputs[0], op.outputs[0]))
            if result in values:
                values.setdefault(source, values[result])


ONLY_MOVE = (
    *("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "PAD", "SLICE", "STRIDED_SLICE", "SPLIT"),
    *("UNPACK", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "TILE", "BROADCAST_TO", "REVERSE_V2"),
)
"""Operators whose outputs are on the steps of their input."""


def _behind_moves(model: Any, graph: Any, values: dict[str, tuple[float, float]]) -> None:
    """What is only moved keeps its range, so that nothing is left to be measured."""
    for op in graph.operators:
        kind = operator_name(model, op)
        source = tensor_name(graph.tensors[op.inputs[1 if kind == "SPLIT" else 0]])
        if kind in ONLY_MOVE and source in values:
            for index in op.outputs:
                if graph.tensors[index].type == schema.TensorType.FLOAT32:
                    values.setdefault(tensor_name(graph.tensors[index]), values[source])


_FIXED = {"SOFTMAX": (0.0, 255 / 256), "LOGISTIC": (0.0, 255 / 256), "TANH": (-1.0, 127 / 128)}
"""Ranges that int8 kernels write whatever was learned, https://ai.google.dev/edge/litert/models/quantization_spec."""


def _fixed_by_kernels(model: Any, graph: Any, values: dict[str, tuple[float, float]]) -> None:
    """What QAT leaves to the converter, so that nothing is left to be measured."""
    for op in graph.operators:
        if operator_name(model, op) in _FIXED:
            values.setdefault(tensor_name(graph.tensors[op.outputs[0]]), _FIXED[operator_name(model, op)])


def _keep_output_names(graph: Any, stands_for: Any, values: dict[str, tuple[float, float]]) -> None:
    """An output behind a pair hands its name to the tensor that takes its place."""
    for position, index in enumerate(graph.outputs):
        source = stands_for(index)
        if source != index:
            before, outer = graph.tensors[source], graph.tensors[index]
            values[tensor_name(outer)] = values.pop(tensor_name(before))
            before.name, outer.name = outer.name, before.name
            graph.outputs[position] = source
