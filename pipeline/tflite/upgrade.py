"""A float .tflite of any converter in the form that today's converter writes, which all that edits it expects."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT, TensorT

from pipeline.errors import InputError, PipelineError
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.edit import Editor, cut_out
from pipeline.tflite.flatbuffer import operator_name, tensor_type
from pipeline.tflite.prune import prune
from pipeline.tflite.runner import Runner

_HALF = "float16"


def upgrade(content: bytes) -> bytes:
    """The same model with its operator codes and constants in their places, a name a tensor, and float32 weights.

    Files store float16 weights behind a DEQUANTIZE each, or a CAST, a DENSIFY or a chain of reshapes beside it. What
    is computed from constants alone, with float16 among them, becomes a float32 constant; a weight that several
    operators share stays one.

    Args:
        content: A .tflite file's content.

    Returns:
        The content itself where it is so already; else without metadata and what is packed behind the flatbuffer.

    Raises:
        InputError: it is no whole .tflite model.
    """
    plain = metadata.without(content)  # what is packed behind it would be lost, and the metadata name it still
    model = flatbuffer.read(plain)
    outdated = flatbuffer.is_outdated(content)
    renamed = _name_tensors(model)
    widened = sum(_widen(model, graph) for graph in model.subgraphs)
    if not (outdated or renamed or widened):
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _name_tensors(model: ModelT) -> bool:
    """Give every tensor a name of its own, in place; whether one had none."""
    taken: set[str] = set()
    renamed = False
    for graph in model.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            name = free = flatbuffer.tensor_name(tensor) or f"tensor_{index}"
            count = 0
            while free in taken:
                count += 1
                free = f"{name}_{count}"
            taken.add(free)
            if free != flatbuffer.tensor_name(tensor):
                tensor.name, renamed = free.encode(), True
    return renamed


def _widen(model: ModelT, graph: SubGraphT) -> int:
    """Compute what depends on float16 constants alone, in place; the number of operators that are gone."""
    half = {index for index, tensor in enumerate(graph.tensors) if _is_half(tensor) and _known(model, graph, index)}
    editor, kept = Editor(model, graph), []
    for operator in graph.operators:
        given = [index for index in operator.inputs if index >= 0]
        if half.intersection(given) and all(_known(model, graph, index) for index in given):
            values = _computed(model, graph, operator)
            if values is not None:
                for index, array in zip(operator.outputs, values, strict=True):
                    editor.fill(index, array)
                    graph.tensors[index].shape, graph.tensors[index].shapeSignature = list(array.shape), None
                half.update(operator.outputs)
                continue
        kept.append(operator)
    gone = len(graph.operators) - len(kept)
    graph.operators = kept
    return gone


def _is_half(tensor: TensorT) -> bool:
    return tensor_type(tensor) == _HALF


def _known(model: ModelT, graph: SubGraphT, index: int) -> bool:
    return flatbuffer.is_constant(model, graph.tensors[index])


def _computed(model: ModelT, graph: SubGraphT, operator: OperatorT) -> list[Any] | None:
    """What an operator on constants gives; None where LiteRT cannot say."""
    [*given] = operator.inputs
    if operator_name(model, operator) == "DEQUANTIZE" and _is_half(graph.tensors[given[0]]):
        try:
            values = flatbuffer.tensor_data(model, graph.tensors[given[0]])
        except InputError:  # sparse: LiteRT can
            values = None
        if values is not None:
            return [values.astype(np.float32)]
    try:
        alone, _ = cut_out(model, operator, graph)
        return list(Runner(flatbuffer.serialize(alone), xnnpack=False).run())
    except PipelineError:
        return None
