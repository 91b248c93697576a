"""QUANTIZE operators that change nothing, and CASTs before them that are not needed.

ai-edge-quantizer writes `GATHER → QUANTIZE → RESHAPE` with one scale on both sides of the QUANTIZE, because one side
counted it from a constant and the other from a range.
"""

from __future__ import annotations

import math

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT

from pipeline.tflite import flatbuffer
from pipeline.tflite.prune import prune

_EQUAL = 1e-5
"""Scales that differ by less count as one: over 255 steps it is less than a hundredth of a step."""


def without_needless_quantize(content: bytes) -> bytes:
    """The model without QUANTIZE between two tensors of one type, scale (to five digits) and zero point.

    A uint8 or int8 input that a CAST turns into float for a QUANTIZE becomes a quantized one of scale 1, which the
    QUANTIZE reads. The same bytes are given back where there is neither.
    """
    model = flatbuffer.read(content)
    changed = False
    for graph in model.subgraphs:
        changed |= _read_images(model, graph)
        changed |= _drop_equal(model, graph)
    if not changed:
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _drop_equal(model: ModelT, graph: SubGraphT) -> bool:
    same: dict[int, int] = {}
    kept: list[OperatorT] = []
    inputs = {int(index) for index in graph.inputs}
    outputs = {int(index) for index in graph.outputs}
    for operator in graph.operators:
        operator.inputs = [same.get(int(index), int(index)) for index in operator.inputs]
        if flatbuffer.operator_name(model, operator) == "QUANTIZE":
            source, target = int(operator.inputs[0]), int(operator.outputs[0])
            whole = source in inputs and target in outputs  # a model's input is not its output too
            if not whole and _equal(graph, source, target):
                same[target] = source
                continue
        kept.append(operator)
    if not same:
        return False
    graph.operators = kept
    graph.outputs = [same.get(int(index), int(index)) for index in graph.outputs]
    number = next(number for number, one in enumerate(model.subgraphs) if one is graph)
    for signature in model.signatureDefs or []:
        if signature.subgraphIndex == number:
            for entry in signature.outputs:
                entry.tensorIndex = same.get(int(entry.tensorIndex), int(entry.tensorIndex))
    return True


def _equal(graph: SubGraphT, first: int, second: int) -> bool:
    one, other = graph.tensors[first], graph.tensors[second]
    before, behind = flatbuffer.quantization(one), flatbuffer.quantization(other)
    if one.type != other.type or before is None or behind is None or len(before.scales) != 1 != len(behind.scales):
        return False
    return int(before.zero_points[0]) == int(behind.zero_points[0]) and math.isclose(
        float(before.scales[0]), float(behind.scales[0]), rel_tol=_EQUAL
    )


def _read_images(model: ModelT, graph: SubGraphT) -> bool:
    consumers, changed = flatbuffer.consumers(graph), False
    for operator in list(graph.operators):
        if flatbuffer.operator_name(model, operator) != "CAST":
            continue
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        tensor = graph.tensors[source]
        bytes_in = tensor.type in (schema.TensorType.UINT8, schema.TensorType.INT8) and source in map(int, graph.inputs)
        readers = [graph.operators[place] for place in consumers.get(target, [])]
        quantizing = all(flatbuffer.operator_name(model, reader) == "QUANTIZE" for reader in readers)
        only_read_here = len(consumers.get(source, [])) == 1 and target not in map(int, graph.outputs)
        if not (bytes_in and readers and quantizing and only_read_here):
            continue
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0], [0]
        for reader in readers:
            reader.inputs = [source]
        graph.operators.remove(operator)
        changed = True
    return changed
