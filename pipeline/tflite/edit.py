"""Add to a flatbuffer's object tree: constants, tensors, operators."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import ModelT, OperatorCodeT, OperatorT, SubGraphT, TensorT
from numpy.typing import NDArray

from pipeline.tflite import flatbuffer

_TYPES: dict[str, int] = {name.lower(): code for name, code in vars(schema.TensorType).items() if isinstance(code, int)}
_RELU = {
    schema.ActivationFunctionType.RELU: schema.BuiltinOperator.RELU,
    schema.ActivationFunctionType.RELU_N1_TO_1: schema.BuiltinOperator.RELU_N1_TO_1,
    schema.ActivationFunctionType.RELU6: schema.BuiltinOperator.RELU6,
    schema.ActivationFunctionType.TANH: schema.BuiltinOperator.TANH,
}
"""Fused activations, and the operators that do the same."""


class Editor:
    """Adds to one subgraph of a model, in place. All indices are the tree's own."""

    def __init__(self, model: ModelT, graph: SubGraphT | None = None) -> None:
        self.model = model
        self.graph = model.subgraphs[0] if graph is None else graph

    def constant(self, name: str, values: NDArray[Any]) -> int:
        """A constant tensor; its index."""
        index = self.tensor(name, values.shape, str(values.dtype))
        self.graph.tensors[index].buffer = self._buffer(values)
        return index

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "float32", scale: float | None = None, zero_point: int = 0
    ) -> int:
        """An activation tensor, quantized where it has a scale; its index."""
        tensor = TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = (
            name.encode(),
            np.array(shape, np.int32),
            _TYPES[dtype],
            0,
        )
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale], np.float32)
            tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def like(self, index: int, name: str) -> int:
        """A new activation tensor with the shape and type of another; its index."""
        tensor = copy.copy(self.graph.tensors[index])
        tensor.name, tensor.buffer = name.encode(), 0
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def fill(self, index: int, values: NDArray[Any]) -> None:
        """Give a constant other values; tensors that shared its buffer keep theirs."""
        self.graph.tensors[index].buffer = self._buffer(values)

    def operator(
        self,
        kind: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: tuple[str, dict[str, Any]] | None = None,
        place: int | None = None,
    ) -> OperatorT:
        """Insert an operator of a `BuiltinOperator` code, at the end or before the one at `place`.

        `options` is the options' name in the schema, such as `ReducerOptions`, and its fields.
        """
        operator = OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            name, fields = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(schema, f"{name}T")()
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self.graph.operators.insert(len(self.graph.operators) if place is None else place, operator)
        return operator

    def split_activation(self, place: int) -> int | None:
        """Take an operator's fused activation out into an operator of its own.

        Returns:
            The tensor before the activation, or None where there is no activation to take out.
        """
        operator = self.graph.operators[place]
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        if fused not in _RELU:
            return None
        [after] = operator.outputs
        before = self.like(after, f"{flatbuffer.tensor_name(self.graph.tensors[after])}/linear")
        operator.builtinOptions = copy.copy(operator.builtinOptions)
        operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
        operator.outputs = [before]
        self.operator(_RELU[fused], [before], [after], place=place + 1)
        return before

    def _buffer(self, values: NDArray[Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _code(self, kind: int) -> int:
        for index, known in enumerate(self.model.operatorCodes):
            if flatbuffer.builtin_code(known) == kind and known.version == 1:
                return index
        code = OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


def cut_out(model: ModelT, operator: OperatorT, source: SubGraphT | None = None) -> tuple[ModelT, list[int]]:
    """A model of one operator of another model's main graph, or of another graph of it.

    Its inputs are the operator's inputs that are no constants, its outputs the operator's. Constants are shared with
    the source, not copied: fill them through an :class:`Editor`.

    Returns:
        The new model, and the source's index of each of its inputs.
    """
    source = model.subgraphs[0] if source is None else source
    alone, graph = ModelT(), SubGraphT()
    alone.version, alone.operatorCodes = 3, [model.operatorCodes[operator.opcodeIndex]]
    alone.buffers, alone.subgraphs = [schema.BufferT()], [graph]
    graph.tensors, graph.inputs, fed = [], [], []
    moved: dict[int, int] = {-1: -1}
    for index in dict.fromkeys([*operator.inputs, *operator.outputs]):
        if index < 0:
            continue
        moved[index] = len(graph.tensors)
        tensor = copy.copy(source.tensors[index])
        tensor.buffer = 0
        if flatbuffer.is_constant(model, source.tensors[index]):
            alone.buffers.append(model.buffers[source.tensors[index].buffer])
            tensor.buffer = len(alone.buffers) - 1
        elif index in operator.inputs and not tensor.isVariable:  # a state is the operator's own
            graph.inputs.append(moved[index])
            fed.append(index)
        graph.tensors.append(tensor)
    kept = copy.copy(operator)
    kept.opcodeIndex = 0
    kept.inputs = [moved[index] for index in operator.inputs]
    kept.outputs = [moved[index] for index in operator.outputs]
    graph.outputs, graph.operators = list(kept.outputs), [kept]
    return alone, fed
