"""Small .tflite models, written without TensorFlow."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.tflite import flatbuffer
from pipeline.tflite.signature import name_ends

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "float16": schema.TensorType.FLOAT16,
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
        open_axes: tuple[int, ...] = (),
    ) -> int:
        """Add a tensor and return its index; `open_axes` are left open beside, or instead of, the batch."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, _TYPES[dtype], 0
        if open_batch or open_axes:
            given = {0} if open_batch else set()
            tensor.shapeSignature = [-1 if axis in given | {*open_axes} else side for axis, side in enumerate(shape)]
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


def joined(dtype: str = "float32") -> bytes:
    """`left` [B, 3] and `right` [B, 2] side by side: `scores` [B, 4] (softmax) and `value` [B, 1], open batch.

    With a signature of these names. As int8: inputs of scale 1/4 and zero point −3, `value` of 1/2 and 5.
    """
    random = np.random.default_rng(3)
    weights, row = random.normal(size=(4, 5)), random.normal(size=(1, 5))
    graph = Graph()
    fine: dict[str, Any] = {"scale": 0.25, "zero_point": -3} if dtype == "int8" else {}
    wide: dict[str, Any] = {"scale": 0.5, "zero_point": 5} if dtype == "int8" else {}
    left = graph.tensor("in_left", [1, 3], dtype, open_batch=True, **fine)
    right = graph.tensor("in_right", [1, 2], dtype, open_batch=True, **fine)
    both = graph.tensor("both", [1, 5], dtype, open_batch=True, **fine)
    graph.operator("CONCATENATION", [left, right], [both], "ConcatenationOptions", axis=1)
    ends = []
    for name, kernel in (("logits", weights), ("out_value", row)):
        if dtype == "int8":
            w = graph.tensor(f"{name}/w", list(kernel.shape), "int8", data=np.round(kernel * 32), scale=1 / 32)
            b = graph.tensor(f"{name}/b", [len(kernel)], "int32", data=np.zeros(len(kernel)), scale=1 / 128)
        else:
            w = graph.tensor(f"{name}/w", list(kernel.shape), data=kernel)
            b = graph.tensor(f"{name}/b", [len(kernel)], data=np.zeros(len(kernel)))
        y = graph.tensor(name, [1, len(kernel)], dtype, open_batch=True, **wide)
        graph.operator("FULLY_CONNECTED", [both, w, b], [y], "FullyConnectedOptions")
        ends.append(y)
    last: dict[str, Any] = {"scale": 1 / 256, "zero_point": -128} if dtype == "int8" else {}
    shares = graph.tensor("out_scores", [1, 4], dtype, open_batch=True, **last)
    graph.operator("SOFTMAX", [ends[0]], [shares], "SoftmaxOptions", beta=1.0)
    return name_ends(graph.build([left, right], [shares, ends[1]]), ["left", "right"], ["scores", "value"])


def of_tokens(length: int = 4) -> bytes:
    """`tokens` int32 [B, length], 0 to 9, looked up in a table of int8 rows of 2 and added up: `mean` int8 [B, 2]."""
    graph = Graph()
    table = np.random.default_rng(4).integers(-100, 100, (10, 2))
    x = graph.tensor("tokens", [1, length], "int32", open_batch=True)
    rows = graph.tensor("table", [10, 2], "int8", data=table, scale=0.5, zero_point=0)
    found = graph.tensor("rows", [1, length, 2], "int8", scale=0.5, open_batch=True)
    y = graph.tensor("mean", [1, 2], "int8", scale=0.5, open_batch=True)
    axis = graph.tensor("axis", [1], "int32", data=np.array([1]))
    graph.operator("GATHER", [rows, x], [found], "GatherOptions", axis=0)
    graph.operator("MEAN", [found, axis], [y], "ReducerOptions", keepDims=False)
    return graph.build([x], [y])


def open_sized(channels: int = 3) -> bytes:
    """`x` float32 [B, H, W, channels], all open, through a convolution 1x1 of 2: `y` [B, H, W, 2]."""
    graph = Graph()
    kernel = np.random.default_rng(5).normal(size=(2, 1, 1, channels))
    x = graph.tensor("x", [1, 1, 1, channels], open_axes=(0, 1, 2))
    w = graph.tensor("w", [2, 1, 1, channels], data=kernel)
    b = graph.tensor("b", [2], data=np.zeros(2))
    y = graph.tensor("y", [1, 1, 1, 2], open_axes=(0, 1, 2))
    graph.operator("CONV_2D", [x, w, b], [y], "Conv2DOptions", strideW=1, strideH=1)
    return graph.build([x], [y])


def without_batch(features: int = 6) -> bytes:
    """`x` float32 [features] → its hyperbolic tangent [features]."""
    graph = Graph()
    x, y = graph.tensor("x", [features]), graph.tensor("y", [features])
    graph.operator("TANH", [x], [y])
    return graph.build([x], [y])


def of_features(shape: tuple[int, ...], scale: float = 0.1) -> bytes:
    """`sound` int8 [1, *shape] → flattened → linear scores int8 [1, 3]."""
    graph, size = Graph(), int(np.prod(shape))
    x = graph.tensor("sound", [1, *shape], "int8", scale=scale, zero_point=4)
    flat = graph.tensor("flat", [1, size], "int8", scale=scale, zero_point=4)
    to = graph.tensor("to", [2], "int32", data=np.array([1, size]))
    w = graph.tensor(
        "w", [3, size], "int8", data=np.random.default_rng(6).integers(-127, 128, (3, size)), scale=1 / 512
    )
    b = graph.tensor("b", [3], "int32", data=np.zeros(3), scale=scale / 512)
    y = graph.tensor("scores", [1, 3], "int8", scale=0.1, zero_point=3)
    graph.operator("RESHAPE", [x, to], [flat], "ReshapeOptions", newShape=[1, size])
    graph.operator("FULLY_CONNECTED", [flat, w, b], [y], "FullyConnectedOptions")
    return graph.build([x], [y])


def same_again(*shape: int) -> bytes:
    """x float32 [B, *shape] → the same, open batch."""
    graph = Graph()
    x, y = (graph.tensor(name, [1, *shape], open_batch=True) for name in ("x", "y"))
    one = graph.tensor("one", [1], data=np.ones(1))
    graph.operator("MUL", [x, one], [y], "MulOptions")
    return graph.build([x], [y])


def with_subgraphs(whole: bytes, *others: bytes) -> bytes:
    """The graphs of other models as subgraphs 1, 2, … of a first one, whose WHILE or IF name them."""
    model = flatbuffer.read(whole)
    for other in map(flatbuffer.read, others):
        [graph] = other.subgraphs
        for operator in graph.operators:
            operator.opcodeIndex += len(model.operatorCodes)
        for tensor in graph.tensors:
            tensor.buffer += len(model.buffers) if tensor.buffer else 0
        model.operatorCodes += other.operatorCodes
        model.buffers += other.buffers
        model.subgraphs.append(graph)
    return flatbuffer.serialize(model)
