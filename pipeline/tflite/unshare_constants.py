"""Constants of its own for an operator that shall store them otherwise than its neighbours do."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable

from ai_edge_litert.schema_py_generated import BufferT, ModelT, OperatorT, SubGraphT, TensorType

from pipeline.tflite import flatbuffer
from pipeline.tflite.flatbuffer import tensor_name


def unshare_constants(model: ModelT, graph: SubGraphT, operators: Iterable[OperatorT]) -> bool:
    """Give operators, in place, copies of the float constants that another operator or tensor shares.

    Returns:
        Whether there were any.
    """
    readers = Counter(int(index) for operator in graph.operators for index in set(operator.inputs))
    sharers = Counter(int(tensor.buffer) for other in model.subgraphs for tensor in other.tensors)
    changed = False
    for operator in operators:
        inputs = list(operator.inputs)
        for place, index in enumerate(inputs):
            if index < 0:
                continue
            tensor = graph.tensors[index]
            shared = readers[int(index)] > 1 or sharers[int(tensor.buffer)] > 1
            if tensor.type != TensorType.FLOAT32 or not shared or not flatbuffer.is_constant(model, tensor):
                continue
            inputs[place] = _copy(model, graph, index)
            changed = True
        operator.inputs = inputs
    return changed


def _copy(model: ModelT, graph: SubGraphT, index: int) -> int:
    tensor = copy.copy(graph.tensors[index])
    tensor.name = f"{tensor_name(tensor)}_of_its_own_{len(graph.tensors)}".encode()
    buffer = BufferT()
    buffer.data = model.buffers[tensor.buffer].data
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
