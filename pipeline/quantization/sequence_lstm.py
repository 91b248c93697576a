"""Integers for UNIDIRECTIONAL_SEQUENCE_LSTM, which ai-edge-quantizer leaves in float.

TFLite's kernel takes int8 inputs, weights and outputs, int32 biases, and keeps the cell in int16 on steps that are a
power of two (R. Alvarez et al., On the efficient representation and execution of deep acoustic models, 2016,
https://arxiv.org/abs/1607.04683; tensorflow/lite/kernels/unidirectional_sequence_lstm.cc). Weights have one scale each.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ModelT, OperatorT
from numpy.typing import NDArray

from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune

NAME = "UNIDIRECTIONAL_SEQUENCE_LSTM"
_INPUT_WEIGHTS, _STATE_WEIGHTS, _BIASES = (1, 2, 3, 4), (5, 6, 7, 8), (12, 13, 14, 15)
"""Places among the inputs: of the input, forget, cell and output gate."""
_OUTPUT_STATE, _CELL_STATE = 18, 19
_UNUSUAL = (9, 10, 11, 16, 17, 20, 21, 22, 23)
"""Peepholes, projection and layer norm, which Keras's LSTM has not."""
_MOST_INTEGER_BITS = 6
"""Of the cell, that the kernel's tanh takes."""
_INTERMEDIATES = ("input_to_input", "input_to_forget", "input_to_cell", "input_to_output", "effective_hidden_scale")

_FLOAT32, _INT8 = schema.TensorType.FLOAT32, schema.TensorType.INT8


def integer_lstms(written: bytes, ranges: Ranges, kept: Collection[str] = ()) -> bytes:
    """Let every plain LSTM compute in integers.

    Args:
        written: A .tflite whose other activations are int8.
        ranges: (min, max) of the activations, by the names that they have in the float model.
        kept: Outputs of the operators that shall stay in float.

    Returns:
        The model; the same bytes where there is no such operator.
    """
    model = flatbuffer.read(written)
    editor = Editor(model)
    taken = False
    for operator in list(editor.graph.operators):
        if flatbuffer.operator_name(model, operator) == NAME:
            name = flatbuffer.tensor_name(editor.graph.tensors[int(operator.outputs[0])])
            taken |= name not in kept and name in ranges and _take(model, editor, operator, ranges)
    if not taken:
        return written
    graph = editor.graph
    read = {int(index) for operator in graph.operators for index in operator.inputs} | {*graph.outputs}
    graph.operators = [
        operator
        for operator in graph.operators
        if flatbuffer.operator_name(model, operator) != "DEQUANTIZE" or int(operator.outputs[0]) in read
    ]
    prune(model)
    return flatbuffer.serialize(model)


def _take(model: ModelT, editor: Editor, operator: OperatorT, ranges: Ranges) -> bool:
    """Move one operator to integers, with a DEQUANTIZE behind it for whoever reads floats."""
    graph = editor.graph
    tensors, given = graph.tensors, [int(index) for index in operator.inputs]
    fed = ranges.get(flatbuffer.tensor_name(tensors[given[0]]))
    places = (*_INPUT_WEIGHTS, *_STATE_WEIGHTS, *_BIASES)
    constants = {place: _values(model, graph, given[place]) for place in places}
    bits = _cell_bits(operator, tensors[given[0]].shape)
    unusual = any(given[place] >= 0 for place in _UNUSUAL if place < len(given))
    if unusual or any(values is None for values in constants.values()):
        return False
    source = _stored(model, graph, given[0])
    if source is None and fed is not None:
        source = _quantized(editor, operator, given[0], fed)
    if source is None:
        return False
    input_scale = _scale(tensors[source])
    inputs, scales = list(given), dict[int, float]()
    inputs[0] = source
    for place in (*_INPUT_WEIGHTS, *_STATE_WEIGHTS):
        values = constants[place]
        assert values is not None
        scales[place] = max(float(np.abs(values).max(initial=0)), 1e-9) / 127
        steps = np.rint(values / scales[place]).astype(np.int8)
        inputs[place] = _constant(editor, given[place], steps, scales[place])
    for place, weights in zip(_BIASES, _INPUT_WEIGHTS, strict=True):
        values, scale = constants[place], input_scale * scales[weights]
        assert values is not None
        if np.abs(values).max(initial=0) > scale * 2**30:
            return False
        inputs[place] = _constant(editor, given[place], np.rint(values / scale).astype(np.int32), scale)
    after = int(operator.outputs[0])
    wanted = _asked_for(model, graph, after) or _parameters(ranges[flatbuffer.tensor_name(tensors[after])])
    output = _like(editor, after, "int8", _INT8, *wanted)
    parameters = flatbuffer.quantization(tensors[output])
    assert parameters is not None
    scale, zero_point = float(parameters.scales[0]), int(parameters.zero_points[0])
    inputs[_OUTPUT_STATE] = _like(editor, given[_OUTPUT_STATE], "int8", _INT8, scale, zero_point)
    inputs[_CELL_STATE] = _like(editor, given[_CELL_STATE], "int16", schema.TensorType.INT16, 2.0 ** (bits - 15), 0)
    operator.inputs, operator.outputs = inputs, [output]
    operator.intermediates = [
        _like(editor, after, f"{what}_intermediate", _INT8, scale, zero_point, shape=[0]) for what in _INTERMEDIATES
    ]
    _hand_on(model, editor, operator, after, output)
    return True


def _cell_bits(operator: OperatorT, shape: NDArray[np.int32]) -> int:
    """The integer bits for the cell's values: it is clipped, else it grows by less than 1 a step.

    Beyond 64 the kernel clips it. Cells that forget stay far below, and tanh cannot tell 64 from more.
    """
    options = operator.builtinOptions
    largest = float(options.cellClip) or float(shape[0 if options.timeMajor else 1])
    return min(int(np.ceil(np.log2(max(largest, 1.0)))), _MOST_INTEGER_BITS)


def _asked_for(model: ModelT, graph: schema.SubGraphT, index: int) -> tuple[float, int] | None:
    """The scale and zero point that a consumer wants."""
    for operator in graph.operators:
        target = graph.tensors[int(operator.outputs[0])]
        if (
            flatbuffer.operator_name(model, operator) == "QUANTIZE"
            and index in operator.inputs
            and target.type == _INT8
        ):
            parameters = flatbuffer.quantization(target)
            assert parameters is not None
            return float(parameters.scales[0]), int(parameters.zero_points[0])
    return None


def _parameters(pair: tuple[float, float]) -> tuple[float, int]:
    """The scale and zero point of a range."""
    low, high = min(pair[0], 0.0), max(pair[1], 0.0)
    scale = max(high - low, 1e-6) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _quantized(editor: Editor, operator: OperatorT, index: int, pair: tuple[float, float]) -> int:
    """The int8 of a float tensor, behind a QUANTIZE before the operator."""
    made = _like(editor, index, "int8", _INT8, *_parameters(pair))
    place = next(number for number, other in enumerate(editor.graph.operators) if other is operator)
    editor.operator(schema.BuiltinOperator.QUANTIZE, [index], [made], place=place)
    return made


def _hand_on(model: ModelT, editor: Editor, operator: OperatorT, after: int, output: int) -> None:
    """Who quantized the output reads the integers; others read them dequantized."""
    graph, kept, same = editor.graph, list[OperatorT](), dict[int, int]()
    wanted = flatbuffer.quantization(graph.tensors[output])
    for other in graph.operators:
        if flatbuffer.operator_name(model, other) == "QUANTIZE" and after in other.inputs:
            found = flatbuffer.quantization(graph.tensors[int(other.outputs[0])])
            if found is not None and wanted is not None and _equal(found, wanted):
                same[int(other.outputs[0])] = output
                continue
        kept.append(other)
    graph.operators = kept
    for other in kept:
        other.inputs = [same.get(int(index), int(index)) for index in other.inputs]
    graph.outputs = [same.get(int(index), int(index)) for index in graph.outputs]
    for signature in model.signatureDefs or []:
        for entry in signature.outputs:
            entry.tensorIndex = same.get(int(entry.tensorIndex), int(entry.tensorIndex))
    if after in graph.outputs or any(after in other.inputs for other in kept):
        place = next(number for number, other in enumerate(kept) if other is operator)
        editor.operator(schema.BuiltinOperator.DEQUANTIZE, [output], [after], place=place + 1)


def _equal(one: flatbuffer.Quantization, other: flatbuffer.Quantization) -> bool:
    return np.array_equal(one.scales, other.scales) and np.array_equal(one.zero_points, other.zero_points)


def _stored(model: ModelT, graph: schema.SubGraphT, index: int) -> int | None:
    """The int8 tensor behind a dequantized one."""
    for operator in graph.operators:
        if index in operator.outputs and flatbuffer.operator_name(model, operator) == "DEQUANTIZE":
            source = int(operator.inputs[0])
            return source if graph.tensors[source].type == _INT8 else None
    return None


def _values(model: ModelT, graph: schema.SubGraphT, index: int) -> NDArray[np.float32] | None:
    return None if index < 0 else flatbuffer.tensor_data(model, graph.tensors[index])


def _scale(tensor: schema.TensorT) -> float:
    parameters = flatbuffer.quantization(tensor)
    assert parameters is not None
    return float(parameters.scales[0])


def _constant(editor: Editor, index: int, steps: NDArray[np.int8] | NDArray[np.int32], scale: float) -> int:
    stored = editor.constant(f"{flatbuffer.tensor_name(editor.graph.tensors[index])}/{steps.dtype}", steps)
    _set(editor.graph.tensors[stored], scale, 0)
    return stored


def _like(
    editor: Editor, index: int, what: str, dtype: int, scale: float, zero_point: int, shape: list[int] | None = None
) -> int:
    made = editor.like(index, f"{flatbuffer.tensor_name(editor.graph.tensors[index])}/{what}")
    tensor = editor.graph.tensors[made]
    tensor.type, tensor.isVariable = dtype, editor.graph.tensors[index].isVariable
    if shape is not None:
        tensor.shape, tensor.shapeSignature = shape, None
    _set(tensor, scale, zero_point)
    return made


def _set(tensor: schema.TensorT, scale: float, zero_point: int) -> None:
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
