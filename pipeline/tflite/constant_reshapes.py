"""Reshapes to a computed shape, turned into reshapes to a constant one.

With an open batch Keras's Reshape becomes SHAPE → STRIDED_SLICE → PACK → RESHAPE. XNNPACK does not take such a
chain, and a quantizer gives SHAPE a dequantized copy of the activation. Where one dimension only is computed, −1 says
the same.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, ModelT, OperatorT, SubGraphT, TensorT, TensorType

from pipeline.tflite import flatbuffer
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune

_SHAPE_ARITHMETIC = ("SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE", "QUANTIZE", "DEQUANTIZE")
"""What may be left over; of two RESHAPEs in a row the converter keeps the first for the sake of its
shape, and what rounds it."""


def constant_reshapes(content: bytes) -> bytes:
    """The model with −1 in place of a computed dimension of its RESHAPEs; the content itself if it has none."""
    model = flatbuffer.read(content)
    changed = False
    for graph in model.subgraphs:
        producers = flatbuffer.producers(graph)
        for operator in graph.operators:
            shape = _with_one_unknown(model, graph, producers, operator)
            if shape is not None:
                operator.inputs = [operator.inputs[0], _constant(model, graph, shape)]
                changed = True
        _drop_unread(model, graph)
    if not changed:
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _with_one_unknown(
    model: ModelT, graph: SubGraphT, producers: dict[int, int], operator: OperatorT
) -> list[int] | None:
    """The shape that a RESHAPE is given by a PACK of constants and one computed dimension, with −1 for that one."""
    if operator_name(model, operator) != "RESHAPE" or len(operator.inputs) < 2 or operator.inputs[1] not in producers:
        return None
    pack = graph.operators[producers[operator.inputs[1]]]
    if operator_name(model, pack) != "PACK":
        return None
    shape = []
    for index in pack.inputs:
        value = flatbuffer.tensor_data(model, graph.tensors[index])
        shape.append(-1 if value is None else int(value))
    # A literal −1 among the constants would make two unknowns, and a 0 leaves an inferred one undefined.
    return shape if shape.count(-1) == 1 and 0 not in shape else None


def _constant(model: ModelT, graph: SubGraphT, shape: list[int]) -> int:
    buffer = BufferT()
    buffer.data = np.frombuffer(np.array(shape, np.int32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = TensorT()
    tensor.name = f"reshape_to_{'x'.join(map(str, shape))}_{len(graph.tensors)}".encode()
    tensor.type, tensor.shape, tensor.buffer = (
        TensorType.INT32,
        np.array([len(shape)], np.int32),
        len(model.buffers) - 1,
    )
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _drop_unread(model: ModelT, graph: SubGraphT) -> None:
    while True:
        read = set(flatbuffer.consumers(graph)) | set(graph.outputs)
        kept = [
            operator
            for operator in graph.operators
            if operator_name(model, operator) not in _SHAPE_ARITHMETIC or read & set(operator.outputs)
        ]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept
