"""Small .tflite models, written without TensorFlow."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "bool": schema.TensorType.BOOL,
    "string": schema.TensorType.STRING,
}


class Graph:
    """A .tflite model under construction: tensors, operators, then `build`."""

    def __init__(self) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.buffers = [schema.BufferT()]
        self._model.operatorCodes = []
        self._graph = schema.SubGraphT()
        self._graph.tensors = []
        self._graph.operators = []
        self._model.subgraphs = [self._graph]

    def tensor(
        self,
        name: str,
        shape: list[int],
        dtype: str = "float32",
        *,
        data: NDArray[Any] | None = None,
        scale: float | None = None,
        zero_point: int = 0,
        open_batch: bool = False,
    ) -> int:
        """Add a tensor and return its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, _TYPES[dtype], 0
        if open_batch:
            tensor.shapeSignature = [-1, *shape[1:]]
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [scale]
            tensor.quantization.zeroPoint = [zero_point]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.astype(dtype).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
            tensor.buffer = len(self._model.buffers) - 1
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], outputs: list[int], options: str = "", **values: Any) -> None:
        """Add an operator, for example `FULLY_CONNECTED` with `FullyConnectedOptions`."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 4 if name == "FULLY_CONNECTED" else 1
        self._model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for key, value in values.items():
                setattr(operator.builtinOptions, key, value)
        self._graph.operators.append(operator)

    def build(self, inputs: list[int], outputs: list[int]) -> bytes:
        self._graph.inputs, self._graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def linear(
    weights: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    ending: str | None = None,
    dtype: str = "float32",
) -> bytes:
    """x [B, F] → x · weightsᵀ + bias [B, C], open batch; weights [C, F].

    As int8: input scale 1/4 and zero point −3, weights scale 1/32, output scale 1/2 and zero point 5.

    Args:
        weights: float [C, F].
        bias: float [C]; zeros by default.
        ending: SOFTMAX or LOGISTIC after it (float only).
        dtype: float32 or int8.
    """
    classes, features = weights.shape
    bias = np.zeros(classes) if bias is None else bias
    graph = Graph()
    if dtype == "int8":
        x = graph.tensor("x", [1, features], "int8", scale=0.25, zero_point=-3, open_batch=True)
        w = graph.tensor("w", [classes, features], "int8", data=np.round(weights * 32), scale=1 / 32)
        b = graph.tensor("b", [classes], "int32", data=np.round(bias * 128), scale=1 / 128)
        y = graph.tensor("y", [1, classes], "int8", scale=0.5, zero_point=5, open_batch=True)
    else:
        x = graph.tensor("x", [1, features], open_batch=True)
        w = graph.tensor("w", [classes, features], data=weights)
        b = graph.tensor("b", [classes], data=bias)
        y = graph.tensor("y", [1, classes], open_batch=True)
    graph.operator("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions")
    if ending is not None:
        last = graph.tensor("end", [1, classes], open_batch=True)
        if ending == "SOFTMAX":
            graph.operator(ending, [y], [last], "SoftmaxOptions", beta=1.0)
        else:
            graph.operator(ending, [y], [last])
        y = last
    return graph.build([x], [y])


def fixed_batch(features: int) -> bytes:
    """x float32 [1, F/2, 2] → the same as [1, F], by a RESHAPE that knows only batch 1."""
    graph = Graph()
    x = graph.tensor("x", [1, features // 2, 2])
    shape = graph.tensor("shape", [2], "int32", data=np.array([1, features]))
    y = graph.tensor("y", [1, features])
    graph.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=[1, features])
    return graph.build([x], [y])


def folds_batch(features: int) -> bytes:
    """x float32 [1, F] → [1, F], by a RESHAPE that makes [1, B · F] of a batch."""
    graph = Graph()
    x = graph.tensor("x", [1, features])
    shape = graph.tensor("shape", [2], "int32", data=np.array([1, -1]))
    y = graph.tensor("y", [1, features])
    graph.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=[1, -1])
    return graph.build([x], [y])


def sum_of_two(features: int, dtype: str = "float32", *, scale: float | None = 0.5) -> bytes:
    """Two inputs [1, F] → their sum. LiteRT 2.3 aborts the process on int8 without a scale."""
    graph = Graph()
    names = ("first", "second", "sum")
    first, second, y = (graph.tensor(name, [1, features], dtype, scale=scale) for name in names)
    graph.operator("ADD", [first, second], [y], "AddOptions")
    return graph.build([first, second], [y])


def of_strings() -> bytes:
    """A model whose input and output is a string."""
    graph = Graph()
    x = graph.tensor("text", [1], "string")
    y = graph.tensor("copy", [1], "string")
    shape = graph.tensor("shape", [1], "int32", data=np.array([1]))
    graph.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=[1])
    return graph.build([x], [y])


def digits() -> bytes:
    """Random linear scores of digits: float32 [B, 8, 8, 1] → [B, 10], open batch."""
    graph = Graph()
    x = graph.tensor("x", [1, 8, 8, 1], open_batch=True)
    shape = graph.tensor("shape", [2], "int32", data=np.array([-1, 64]))
    flat = graph.tensor("flat", [1, 64], open_batch=True)
    w = graph.tensor("w", [10, 64], data=np.random.default_rng(0).normal(size=(10, 64)))
    b = graph.tensor("b", [10], data=np.zeros(10))
    y = graph.tensor("y", [1, 10], open_batch=True)
    graph.operator("RESHAPE", [x, shape], [flat], "ReshapeOptions", newShape=[-1, 64])
    graph.operator("FULLY_CONNECTED", [flat, w, b], [y], "FullyConnectedOptions")
    return graph.build([x], [y])


def same_again(*shape: int) -> bytes:
    """x float32 [B, *shape] → the same, open batch."""
    graph = Graph()
    x, y = (graph.tensor(name, [1, *shape], open_batch=True) for name in ("x", "y"))
    one = graph.tensor("one", [1], data=np.ones(1))
    graph.operator("MUL", [x, one], [y], "MulOptions")
    return graph.build([x], [y])
