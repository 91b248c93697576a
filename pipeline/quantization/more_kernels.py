"""Integers for operators that TFLite has integer kernels for and ai-edge-quantizer leaves in float.

It writes `DEQUANTIZE → LEAKY_RELU → QUANTIZE` into an int8 model. TFLite's own LEAKY_RELU takes int8 in and gives int8
out, so the detour through float goes. Which operators have such kernels, and how their scales must be, is in
`kernel_table`; `tests/quantization/test_more_kernels.py` holds each to its float answers in a model.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorT
from numpy.typing import NDArray

from pipeline.quantization.kernel_table import Dtype, Found, found
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune


@dataclass(frozen=True)
class Kernel:
    """How the writer puts an operator on TFLite's integers."""

    version: int = 1
    """Of the operator, from which on it takes int8 (tensorflow/lite/tools/versioning/op_version.cc)."""
    int16_version: int = 1
    """The same of int16."""
    own_scale: bool = False
    """Whether a constant operand has a scale of its own; else it has the input's."""
    answers: bool = False
    """Whether it gives places (indices) or truth, which are no values and stay as they are."""
    table: bool = False
    """Whether it only takes rows or copies out of a constant, which has the output's scale then."""


KERNELS: dict[str, Kernel] = {
    "ABS": Kernel(2, 3),
    "ARG_MAX": Kernel(2, answers=True),
    "ARG_MIN": Kernel(2, answers=True),
    "BATCH_TO_SPACE_ND": Kernel(2, 4),
    "DEPTH_TO_SPACE": Kernel(2),
    "ELU": Kernel(),
    "EMBEDDING_LOOKUP": Kernel(table=True),
    "EQUAL": Kernel(2, 4, answers=True),
    "EXP": Kernel(2, 2),
    "EXPAND_DIMS": Kernel(),
    "FILL": Kernel(3, table=True),
    "GREATER": Kernel(2, answers=True),
    "GREATER_EQUAL": Kernel(2, 3, answers=True),
    "L2_NORMALIZATION": Kernel(2),
    "LEAKY_RELU": Kernel(1, 2),
    "LESS": Kernel(2, 3, answers=True),
    "LESS_EQUAL": Kernel(2, answers=True),
    "LOG": Kernel(2),
    "LOG_SOFTMAX": Kernel(2),
    "MINIMUM": Kernel(2, 4),
    "NOT_EQUAL": Kernel(2, answers=True),
    "PRELU": Kernel(own_scale=True),
    "REDUCE_MAX": Kernel(2, 3),
    "RELU6": Kernel(2, 3),
    "RELU_0_TO_1": Kernel(),
    "RELU_N1_TO_1": Kernel(),
    "REVERSE_V2": Kernel(3),
    "SPACE_TO_BATCH_ND": Kernel(2, 4),
    "SPLIT_V": Kernel(2),
    "SQUEEZE": Kernel(),
    "TILE": Kernel(3),
}
"""Operators that ai-edge-quantizer has no rules for, or quantizes where the kernel fails too."""
_FLOAT32 = schema.TensorType.FLOAT32
_TINY = float(np.finfo(np.float32).tiny)
_INTEGERS: dict[int, Dtype] = {schema.TensorType.INT8: "int8", schema.TensorType.INT16: "int16"}


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
        """Move one operator to integers, with DEQUANTIZEs behind it; nothing is done where that cannot be."""
        tensors = self.graph.tensors
        after = [int(index) for index in operator.outputs]
        floats = [int(index) for index in operator.inputs if index >= 0 and tensors[int(index)].type == _FLOAT32]
        constants = [index for index in floats if flatbuffer.is_constant(self.model, tensors[index])]
        if kernel.table:
            self._take_table(operator, kernel, constants, after[0])
            return
        sources = [self._stored[index] for index in floats if index in self._stored]
        if not sources or len(sources) + len(constants) < len(floats):
            return
        types = {tensors[source].type for source in sources}
        first = tensors[sources[0]]
        kind = flatbuffer.operator_name(self.model, operator)
        tried = found(kind, _INTEGERS[first.type])
        if len(types) > 1 or tried is None or tried.scheme is None:
            return
        if first.type == schema.TensorType.INT16 and constants:
            return
        if tried.narrow and any(_parameters(tensors[source])[0] >= 1 for source in sources):
            return
        if kernel.answers:
            self._take_answers(operator, kernel, tried, sources, constants)
        elif all(tensors[index].type == _FLOAT32 for index in after):
            self._take_values(operator, kernel, tried, floats, constants)

    def _take_answers(
        self, operator: OperatorT, kernel: Kernel, tried: Found, sources: list[int], constants: list[int]
    ) -> None:
        tensors = self.graph.tensors
        first = tensors[sources[0]]
        if tried.scheme == "same" and any(_parameters(tensors[source]) != _parameters(first) for source in sources):
            return
        parameters = {index: _own_parameters(self._values(index)) for index in constants}
        if tried.narrow and any(scale >= 1 for scale, _ in parameters.values()):
            return
        stored = {index: self._constant(index, parameters[index]) for index in constants}
        self.taken.update(int(index) for index in operator.inputs if int(index) in self._stored)
        operator.inputs = [stored.get(int(i), self._stored.get(int(i), int(i))) for i in operator.inputs]
        self._raise_version(operator, kernel, first.type)

    def _take_values(
        self, operator: OperatorT, kernel: Kernel, tried: Found, floats: list[int], constants: list[int]
    ) -> None:
        tensors = self.graph.tensors
        after = [int(index) for index in operator.outputs]
        sources = [self._stored[index] for index in floats if index not in constants]
        dtype, parameters = tensors[sources[0]].type, _parameters(tensors[sources[0]])
        if tried.scheme == "fixed":
            assert tried.scale is not None
            wanted: tuple[float, int] | None = (tried.scale, tried.zero_point)
        elif tried.scheme == "same" and len(floats) == 1:
            wanted = parameters
        else:
            wanted = self._output_parameters(after[0], dtype)
        if wanted is None:
            return
        moved = dict(self._stored)
        if tried.scheme == "same" and len(floats) > 1:
            parameters = wanted
            moved |= {
                index: self._rescaled(operator, moved[index], wanted) for index in floats if index not in constants
            }
        for index in constants:
            moved[index] = self._constant(index, _symmetric(self._values(index)) if kernel.own_scale else parameters)
        operator.inputs = [moved.get(int(index), int(index)) for index in operator.inputs]
        for index in after:
            self._give_integers(operator, index, dtype, wanted)
        self._raise_version(operator, kernel, dtype)

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
        output = self._give_integers(operator, after, schema.TensorType.INT8, parameters)
        self._raise_version(operator, kernel, schema.TensorType.INT8)
        stored = self._constant(constants[0], _parameters(self.graph.tensors[output]))
        operator.inputs = [stored if index == constants[0] else int(index) for index in operator.inputs]

    def _rescaled(self, operator: OperatorT, source: int, wanted: tuple[float, int]) -> int:
        """Integers with the wanted scale; they come from a QUANTIZE before the operator where theirs is another."""
        tensor = self.graph.tensors[source]
        if _parameters(tensor) == wanted:
            return source
        target = self._editor.like(source, f"{flatbuffer.tensor_name(tensor)}/rescaled_{len(self.graph.tensors)}")
        _set(self.graph.tensors[target], *wanted)
        place = next(number for number, other in enumerate(self.graph.operators) if other is operator)
        self._editor.operator(schema.BuiltinOperator.QUANTIZE, [source], [target], place=place)
        return target

    def _give_integers(self, operator: OperatorT, after: int, dtype: int, parameters: tuple[float, int]) -> int:
        """Let an operator write integers in place of an output, with a DEQUANTIZE behind them; the integers' index."""
        tensors = self.graph.tensors
        name = flatbuffer.tensor_name(tensors[after])
        output = self._editor.like(after, name)
        tensors[output].type = dtype
        _set(tensors[output], *parameters)
        tensors[after].name = f"{name}/dequantized".encode()
        operator.outputs = [output if index == after else int(index) for index in operator.outputs]
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
        if high - low < _TINY:
            return None
        return (max(-low, high) / 32767, 0) if dtype == schema.TensorType.INT16 else _of_range(low, high)

    def _values(self, index: int) -> NDArray[np.float32]:
        values = flatbuffer.tensor_data(self.model, self.graph.tensors[index])
        assert values is not None
        return values

    def _constant(self, index: int, parameters: tuple[float, int]) -> int:
        scale, zero_point = parameters
        steps = np.clip(np.rint(self._values(index) / scale) + zero_point, -128, 127).astype(np.int8)
        stored = self._editor.constant(f"{flatbuffer.tensor_name(self.graph.tensors[index])}/int8", steps)
        _set(self.graph.tensors[stored], scale, zero_point)
        return stored

    def _raise_version(self, operator: OperatorT, kernel: Kernel, dtype: int) -> None:
        """Give the operator a code of its own of at least the version; others of its kind may stay in float."""
        version = kernel.version if dtype == schema.TensorType.INT8 else kernel.int16_version
        code = self.model.operatorCodes[operator.opcodeIndex]
        if code.version >= version:
            return
        own = schema.OperatorCodeT()
        own.builtinCode, own.deprecatedBuiltinCode, own.version = code.builtinCode, code.deprecatedBuiltinCode, version
        self.model.operatorCodes.append(own)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1


def _of_range(low: float, high: float) -> tuple[float, int]:
    scale = (high - low) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _own_parameters(values: NDArray[np.float32]) -> tuple[float, int]:
    """Of an operand that is compared with: its own, with which a single value is exact."""
    low, high = min(float(values.min(initial=0)), 0.0), max(float(values.max(initial=0)), 0.0)
    return _of_range(low, high) if high - low > _TINY else (0.5, 0)


def _symmetric(values: NDArray[np.float32]) -> tuple[float, int]:
    return max(float(np.abs(values).max(initial=0)), 1e-12) / 127, 0


def _parameters(tensor: TensorT) -> tuple[float, int]:
    parameters = flatbuffer.quantization(tensor)
    assert parameters is not None
    return float(parameters.scales[0]), int(parameters.zero_points[0])


def _set(tensor: TensorT, scale: float, zero_point: int) -> None:
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
