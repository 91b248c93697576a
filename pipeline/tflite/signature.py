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


def input_names(model: schema.ModelT) -> list[str]:
    """Names of the main graph's inputs, in its order: the first signature's, else the tensors'."""
    return _names(model, model.subgraphs[0].inputs, "inputs")


def output_names(model: schema.ModelT) -> list[str]:
    """Names of the main graph's outputs, in its order: the first signature's, else the tensors'."""
    return _names(model, model.subgraphs[0].outputs, "outputs")


def sign_outputs(model: schema.ModelT, names: Sequence[str]) -> None:
    """A signature that calls the main graph's outputs so, in place; inputs and tensors keep their names."""
    graph = model.subgraphs[0]
    inputs = input_names(model)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = KEY, 0
    signature.inputs = [_entry(name, index) for name, index in zip(inputs, graph.inputs, strict=True)]
    signature.outputs = [_entry(name, index) for name, index in zip(names, graph.outputs, strict=True)]
    model.signatureDefs = [signature]


def named_as(content: bytes, other: bytes) -> bytes:
    """A model whose signature calls inputs and outputs as another form of the same model does, in the graphs' order.

    Tensors keep their names. Fake-quantization's wrappers rename layers, and with them the outputs.
    """
    model, reference = read(content), read(other)
    names = input_names(reference), output_names(reference)
    graph = model.subgraphs[0]
    if (len(graph.inputs), len(graph.outputs)) != tuple(map(len, names)):
        return content
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = KEY, 0
    signature.inputs = [_entry(name, index) for name, index in zip(names[0], graph.inputs, strict=True)]
    signature.outputs = [_entry(name, index) for name, index in zip(names[1], graph.outputs, strict=True)]
    model.signatureDefs = [signature]
    return serialize(model)


def _names(model: schema.ModelT, indices: np.ndarray, side: str) -> list[str]:
    graph = model.subgraphs[0]
    signatures = [one for one in model.signatureDefs or [] if one.subgraphIndex == 0]
    entries = getattr(signatures[0], side) if signatures else []
    named = {int(entry.tensorIndex): _text(entry.name) for entry in entries or []}
    names = [named.get(int(index)) or tensor_name(graph.tensors[int(index)]) for index in indices]
    # Two outputs may be one tensor, which a signature calls by two names.
    if len(set(names)) < len(names) and entries and len(entries) == len(names):
        return sorted(_text(entry.name) for entry in entries)
    return [name if names.index(name) == place else f"{name}_{place}" for place, name in enumerate(names)]


def _entry(name: str, index: int) -> schema.TensorMapT:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, int(index)
    return entry


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
