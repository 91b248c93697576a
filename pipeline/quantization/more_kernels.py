"""Integers for operators that TFLite has integer kernels for and ai-edge-quantizer leaves in float.

It writes `DEQUANTIZE → LEAKY_RELU → QUANTIZE` into an int8 model. TFLite's own LEAKY_RELU takes int8 in and gives int8
out, so the detour through float goes. Which operators have such kernels, and which of those want the same scale on both
sides, is in TFLite's 8-bit specification (https://ai.google.dev/edge/litert/models/quantization_spec) and in the
kernels (tensorflow/lite/kernels); `tests/quantization/test_more_kernels.py` holds each to its float answers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorT

from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune


@dataclass(frozen=True)
class Kernel:
    """How TFLite computes an operator in integers."""

    version: int
    """Of the operator, from which on it takes int8."""
    same_scale: bool = False
    """Whether the output has the input's scale and zero point."""
    int16: bool = False
    """Whether it takes int16 too."""
    own_scale: bool = False
    """Whether a constant operand has a scale of its own; else it has the input's."""
    places: bool = False
    """Whether it gives places (indices), which are no values and stay as they are."""
    table: bool = False
    """Whether it only takes rows out of a constant, which has the output's scale then."""


KERNELS: dict[str, Kernel] = {
    "ABS": Kernel(2, int16=True),
    "ARG_MAX": Kernel(2, places=True),
    "ARG_MIN": Kernel(2, places=True),
    "BATCH_TO_SPACE_ND": Kernel(2, same_scale=True),
    "DEPTH_TO_SPACE": Kernel(1, same_scale=True),
    "ELU": Kernel(1),
    "EMBEDDING_LOOKUP": Kernel(1, table=True),
    "EXP": Kernel(2, int16=True),
    "EXPAND_DIMS": Kernel(1, same_scale=True, int16=True),
    "LEAKY_RELU": Kernel(2, int16=True),
    "MINIMUM": Kernel(2, same_scale=True),
    "PRELU": Kernel(1, own_scale=True),
    "REDUCE_MAX": Kernel(2, same_scale=True),
    "RELU6": Kernel(2),
    "RELU_N1_TO_1": Kernel(1),
    "SPACE_TO_BATCH_ND": Kernel(2, same_scale=True),
    "SQUEEZE": Kernel(1, same_scale=True, int16=True),
}

_FLOAT32 = schema.TensorType.FLOAT32
_INTEGERS = {schema.TensorType.INT8: 127, schema.TensorType.INT16: 32767}


def use_more_kernels(written: bytes, ranges: Ranges, kept: Collection[str] = ()) -> bytes:
    """Let every operator of `KERNELS` whose inputs are integers compute in integers.

    Args:
        written: A .tflite with integer activations.
        ranges: (min, max) of the activations, by the names that they have in the float model.
        kept: Outputs of the operators that shall stay in float.

    Returns:
        The model; the same bytes where there is no such operator.
    """
    model = flatbuffer.read(written)
    work = _Work(model, ranges)
    for operator in list(work.graph.operators):
        kernel = KERNELS.get(flatbuffer.operator_name(model, operator))
        if kernel is not None and flatbuffer.tensor_name(work.graph.tensors[int(operator.outputs[0])]) not in kept:
            work.take(operator, kernel)
    if not work.taken:
        return written
    work.simplify()
    prune(model)
    return flatbuffer.serialize(model)


class _Work:
    def __init__(self, model: ModelT, ranges: Ranges) -> None:
        self._editor = Editor(model)
        self.model, self.graph = model, self._editor.graph
        self._ranges = ranges
        self._stored: dict[int, int] = {}
        """The integers behind each dequantized tensor."""
        self.taken: set[int] = set()
        """The dequantized outputs of the operators that were taken."""
        for operator in self.graph.operators:
            if flatbuffer.operator_name(model, operator) == "DEQUANTIZE":
                source = self.graph.tensors[int(operator.inputs[0])]
                if source.type in _INTEGERS and not flatbuffer.is_constant(model, source):
                    self._stored[int(operator.outputs[0])] = int(operator.inputs[0])

    def take(self, operator: OperatorT, kernel: Kernel) -> None:
        """Move one operator to integers, with a DEQUANTIZE behind it; nothing is done where that cannot be."""
        tensors = self.graph.tensors
        [after] = [int(index) for index in operator.outputs]
        floats = [int(index) for index in operator.inputs if index >= 0 and tensors[int(index)].type == _FLOAT32]
        constants = [index for index in floats if flatbuffer.is_constant(self.model, tensors[index])]
        sources = [self._stored.get(index) for index in floats if index not in constants]
        if kernel.table:
            self._take_table(operator, kernel, constants, after)
            return
        if (tensors[after].type != _FLOAT32 and not kernel.places) or not sources or None in sources:
            return
        first = tensors[sources[0]]
        if len({tensors[source].type for source in sources if source is not None}) > 1 or (
            first.type == schema.TensorType.INT16 and (not kernel.int16 or constants)
        ):
            return
        if kernel.places:
            operator.inputs = [self._stored.get(int(index), int(index)) for index in operator.inputs]
            self._raise_version(operator, kernel.version)
            self.taken.add(after)
            return
        if kernel.same_scale and any(_parameters(tensors[source]) != _parameters(first) for source in sources):
            return
        parameters = _parameters(first) if kernel.same_scale else self._output_parameters(after, first.type)
        if parameters is None:
            return
        stored = {index: self._constant(index, first, kernel) for index in constants}
        operator.inputs = [stored.get(int(i), self._stored.get(int(i), int(i))) for i in operator.inputs]
        self._give_integers(operator, kernel, after, first.type, parameters)

    def _take_table(self, operator: OperatorT, kernel: Kernel, constants: list[int], after: int) -> None:
        """Store the rows as the int8 that their consumer asks for."""
        consumers = [other for other in self.graph.operators if after in other.inputs]
        wanted = {
            self.graph.tensors[int(other.outputs[0])].type
            for other in consumers
            if flatbuffer.operator_name(self.model, other) == "QUANTIZE"
        }
        parameters = self._output_parameters(after, schema.TensorType.INT8)
        if wanted != {schema.TensorType.INT8} or len(constants) != 1 or parameters is None:
            return
        output = self._give_integers(operator, kernel, after, schema.TensorType.INT8, parameters)
        stored = self._constant(constants[0], self.graph.tensors[output], kernel)
        operator.inputs = [stored if index == constants[0] else int(index) for index in operator.inputs]

    def _give_integers(
        self, operator: OperatorT, kernel: Kernel, after: int, dtype: int, parameters: tuple[float, int]
    ) -> int:
        """Let an operator write integers, with a DEQUANTIZE behind them; the integers' index."""
        tensors = self.graph.tensors
        name = flatbuffer.tensor_name(tensors[after])
        output = self._editor.like(after, name)
        tensors[output].type = dtype
        _set(tensors[output], *parameters)
        tensors[after].name = f"{name}/dequantized".encode()
        operator.outputs = [output]
        self._raise_version(operator, kernel.version)
        place = next(number for number, other in enumerate(self.graph.operators) if other is operator)
        self._editor.operator(schema.BuiltinOperator.DEQUANTIZE, [output], [after], place=place + 1)
        self._stored[after] = output
        self.taken.add(after)
        return output

    def simplify(self) -> None:
        """Drop the detours through float that nobody needs any more."""
        same: dict[int, int] = {}
        kept: list[OperatorT] = []
        for operator in self.graph.operators:
            operator.inputs = [same.get(int(index), int(index)) for index in operator.inputs]
            if flatbuffer.operator_name(self.model, operator) == "QUANTIZE" and operator.inputs[0] in self.taken:
                source, target = self._stored[operator.inputs[0]], int(operator.outputs[0])
                operator.inputs = [source]
                before, behind = self.graph.tensors[source], self.graph.tensors[target]
                if before.type == behind.type and _parameters(before) == _parameters(behind):
                    same[target] = source
                    continue
            kept.append(operator)
        self.graph.outputs = [same.get(int(index), int(index)) for index in self.graph.outputs]
        for signature in self.model.signatureDefs or []:
            for entry in signature.outputs:
                entry.tensorIndex = same.get(int(entry.tensorIndex), int(entry.tensorIndex))
        used = {int(index) for operator in kept for index in operator.inputs} | set(self.graph.outputs)
        self.graph.operators = [
            operator
            for operator in kept
            if flatbuffer.operator_name(self.model, operator) != "DEQUANTIZE" or int(operator.outputs[0]) in used
        ]

    def _output_parameters(self, index: int, dtype: int) -> tuple[float, int] | None:
        """Those that a consumer asks for, else those of the range."""
        for operator in self.graph.operators:
            if index in operator.inputs and flatbuffer.operator_name(self.model, operator) == "QUANTIZE":
                target = self.graph.tensors[int(operator.outputs[0])]
                if target.type == dtype:
                    return _parameters(target)
        name = flatbuffer.tensor_name(self.graph.tensors[index])
        if name not in self._ranges:
            return None
        low, high = min(self._ranges[name][0], 0.0), max(self._ranges[name][1], 0.0)
        if high - low < np.finfo(np.float32).tiny:
            return None
        if dtype == schema.TensorType.INT16:
            return max(-low, high) / 32767, 0
        scale = (high - low) / 255
        return scale, int(np.clip(round(-128 - low / scale), -128, 127))

    def _constant(self, index: int, first: TensorT, kernel: Kernel) -> int:
        tensor = self.graph.tensors[index]
        values = flatbuffer.tensor_data(self.model, tensor)
        assert values is not None
        scale, zero_point = _parameters(first)
        if kernel.own_scale:
            scale, zero_point = max(float(np.abs(values).max(initial=0)), 1e-12) / 127, 0
        steps = np.clip(np.rint(values / scale) + zero_point, -128, 127).astype(np.int8)
        stored = self._editor.constant(f"{flatbuffer.tensor_name(tensor)}/int8", steps)
        _set(self.graph.tensors[stored], scale, zero_point)
        return stored

    def _raise_version(self, operator: OperatorT, version: int) -> None:
        """Give the operator a code of its own of at least this version; others of its kind may stay in float."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        if code.version >= version:
            return
        own = schema.OperatorCodeT()
        own.builtinCode, own.deprecatedBuiltinCode, own.version = code.builtinCode, code.deprecatedBuiltinCode, version
        self.model.operatorCodes.append(own)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1


def _parameters(tensor: TensorT) -> tuple[float, int]:
    parameters = flatbuffer.quantization(tensor)
    assert parameters is not None
    return float(parameters.scales[0]), int(parameters.zero_points[0])


def _set(tensor: TensorT, scale: float, zero_point: int) -> None:
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
