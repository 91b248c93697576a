"""Names for a flatbuffer's inputs and outputs, and the signature that callers find them by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.tflite.flatbuffer import read, serialize, tensor_name

KEY = "serving_default"


def name_ends(content: bytes, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """Rename the first subgraph's inputs and outputs and add a `serving_default` signature over them.

    Args:
        content: A .tflite file's content.
        inputs: One name an input, in the graph's order.
        outputs: One name an output, in the graph's order.
    """
    model = read(content)
    sign(model, inputs, outputs)
    return serialize(model)


def sign(model: schema.ModelT, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """As :func:`name_ends`, in an object tree and in place."""
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = KEY, 0
    signature.inputs = _name(graph, graph.inputs, inputs)
    signature.outputs = _name(graph, graph.outputs, outputs)
    model.signatureDefs = [signature]


def with_signature(content: bytes) -> bytes:
    """The model with a `serving_default` signature over the names that it has; the content itself if it has one."""
    model = read(content)
    if model.signatureDefs:
        return content
    graph = model.subgraphs[0]
    inputs, outputs = ([tensor_name(graph.tensors[index]) for index in ends] for ends in (graph.inputs, graph.outputs))
    return name_ends(content, inputs, outputs)


def _name(graph: schema.SubGraphT, indices: np.ndarray, names: Sequence[str]) -> list[schema.TensorMapT]:
    taken = {tensor.name.decode() for tensor in graph.tensors}
    maps = []
    for index, name in zip(indices, names, strict=True):
        tensor = graph.tensors[int(index)]
        free = name
        while free in taken and free != tensor.name.decode():
            free += "_"
        taken.add(free)
        tensor.name = free.encode()
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, int(index)
        maps.append(entry)
    return maps
