"""Outputs of a written model: the float model's names and order, in the promised type.

ai-edge-quantizer gives an output that an operator in float reads too as the float that it dequantized for that
operator, and its signature then names another tensor than the graph. One that shall be uint8 or float and that an
operator in int8 reads too it makes so for both, which no kernel takes. So it is asked for integers, and the last
conversion is written here.
"""

from __future__ import annotations

from collections.abc import Collection

from ai_edge_litert import schema_py_generated as schema

from pipeline.recipe import IoType
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune
from pipeline.tflite.signature import output_names, sign_outputs

_CODES = schema.BuiltinOperator
_TYPES = schema.TensorType
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


def restore_outputs(written: bytes, content: bytes, io_type: IoType, in_float: Collection[str] = ()) -> bytes:
    """
    Args:
        written: A .tflite with integer activations and, where they are computed so, integer outputs.
        content: The float one that it was made from.
        io_type: The type that was promised of outputs; int8 stands for int16 in int16x8.
        in_float: Names of outputs that are float32 whatever the others are.

    Returns:
        The written model; the same bytes where nothing is to be done.
    """
    model, names = flatbuffer.read(written), output_names(flatbuffer.read(content))
    graph = model.subgraphs[0]
    if len(graph.outputs) != len(names):
        return written
    outputs = list(graph.outputs)
    wanted: dict[int, IoType] = dict.fromkeys(outputs, io_type)
    wanted |= {index: "float32" for index, name in zip(outputs, names, strict=True) if name in in_float}
    typed = {index: _in_type(model, index, own) for index, own in wanted.items()}
    graph.outputs = [typed[index] for index in outputs]
    if graph.outputs == outputs and output_names(model) == names:
        return written
    sign_outputs(model, names)
    while True:
        read = set(flatbuffer.consumers(graph)) | set(graph.outputs)
        kept = [
            operator
            for operator in graph.operators
            if flatbuffer.operator_name(model, operator) not in _CONVERSIONS or read & set(operator.outputs)
        ]
        if len(kept) == len(graph.operators):
            break
        graph.operators = kept
    prune(model)
    return flatbuffer.serialize(model)


def _in_type(model: schema.ModelT, output: int, io_type: IoType) -> int:
    """The tensor that holds an output in the promised type; the output itself where it holds no quantized values."""
    graph = model.subgraphs[0]
    source = _without_conversion(model, output)
    if graph.tensors[source].type == _TYPES.FLOAT32:  # computed in float
        if io_type == "float32":
            return source
        source = output
    tensor = graph.tensors[source]
    if tensor.type not in (_TYPES.INT8, _TYPES.INT16) or flatbuffer.quantization(tensor) is None:
        return output
    if io_type == "int8":
        return source
    wanted = _TYPES.FLOAT32 if io_type == "float32" else _TYPES.UINT8
    for place in flatbuffer.consumers(graph).get(source, []):
        operator = graph.operators[place]
        is_conversion = flatbuffer.operator_name(model, operator) in _CONVERSIONS
        if is_conversion and graph.tensors[operator.outputs[0]].type == wanted:
            return int(operator.outputs[0])
    return _converted(model, source, wanted)


def _without_conversion(model: schema.ModelT, output: int) -> int:
    graph = model.subgraphs[0]
    place = flatbuffer.producers(graph).get(output)
    if place is None or flatbuffer.operator_name(model, graph.operators[place]) not in _CONVERSIONS:
        return output
    source = int(graph.operators[place].inputs[0])
    # A change of scale is the model's own.
    return source if graph.tensors[source].type != graph.tensors[output].type else output


def _converted(model: schema.ModelT, source: int, wanted: int) -> int:
    """A new tensor with the values of an integer one, made at the end of the graph."""
    graph, editor = model.subgraphs[0], Editor(model)
    tensor = graph.tensors[source]
    quantized, name, shape = flatbuffer.quantization(tensor), flatbuffer.tensor_name(tensor), tensor.shape
    assert quantized is not None
    if wanted == _TYPES.FLOAT32:
        made = editor.tensor(f"{name}/float32", shape)
        editor.operator(_CODES.DEQUANTIZE, [source], [made])
    else:
        made = editor.tensor(f"{name}/uint8", shape, "uint8", float(quantized.scales[0]), _unsigned(quantized))
        editor.operator(_CODES.QUANTIZE, [source], [made])
    graph.tensors[made].shapeSignature = tensor.shapeSignature
    return made


def _unsigned(quantized: flatbuffer.Quantization) -> int:
    return int(quantized.zero_points[0]) + 128
