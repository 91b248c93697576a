"""Blocks of one or two operators, one for each kind that the int8 format takes, quantized by this project's own PTQ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tflite.runner import Runner
from tests.tiny_models import Graph

SIDE, CHANNELS = 8, 16
SHAPE = [1, SIDE, SIDE, CHANNELS]
SAME, VALID = 0, 1

Build = Callable[["Block"], int]


class Block:
    """A float graph from x [1, 8, 8, 16] on; every step returns the index of its output."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._rng = np.random.default_rng(7)
        self._names = 0
        self.x = self.graph.tensor("x", SHAPE)

    def weights(self, *shape: int, size: float = 0.3) -> int:
        return self.constant(self._rng.normal(0, size, shape).astype(np.float32))

    def constant(self, values: NDArray[Any], dtype: str = "float32") -> int:
        return self.graph.tensor(self._name("constant"), list(values.shape), dtype, data=values)

    def integers(self, *values: int) -> int:
        return self.constant(np.array(values), "int32")

    def op(self, kind: str, inputs: list[int], shape: list[int], options: str = "", **fields: Any) -> int:
        [output] = self.ops(kind, inputs, [shape], options, **fields)
        return output

    def ops(self, kind: str, inputs: list[int], shapes: list[list[int]], options: str = "", **fields: Any) -> list[int]:
        outputs = [self.graph.tensor(self._name(kind), shape) for shape in shapes]
        self.graph.operator(kind, inputs, outputs, options, **fields)
        return outputs

    def build(self, output: int) -> bytes:
        return self.graph.build([self.x], [output])

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind.lower()}{self._names}"


def _conv(side: int, stride: int = 1, dilation: int = 1) -> Build:
    def build(b: Block) -> int:
        out = SIDE // stride
        options = {"strideH": stride, "strideW": stride, "dilationHFactor": dilation, "dilationWFactor": dilation}
        inputs = [b.x, b.weights(24, side, side, CHANNELS), b.weights(24)]
        return b.op("CONV_2D", inputs, [1, out, out, 24], "Conv2DOptions", padding=SAME, **options)

    return build


def _depthwise(b: Block, stride: int = 1) -> int:
    out = SIDE // stride
    options = {"strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1, "depthMultiplier": 1}
    inputs = [b.x, b.weights(1, 3, 3, CHANNELS), b.weights(CHANNELS)]
    shape = [1, out, out, CHANNELS]
    return b.op("DEPTHWISE_CONV_2D", inputs, shape, "DepthwiseConv2DOptions", padding=SAME, **options)


def _transpose_conv(b: Block) -> int:
    inputs = [b.integers(1, 16, 16, 24), b.weights(24, 3, 3, CHANNELS), b.x]
    options = {"padding": SAME, "strideH": 2, "strideW": 2}
    return b.op("TRANSPOSE_CONV", inputs, [1, 16, 16, 24], "TransposeConvOptions", **options)


def _dense(b: Block) -> int:
    size = SIDE * SIDE * CHANNELS
    flat = b.op("RESHAPE", [b.x, b.integers(1, size)], [1, size], "ReshapeOptions", newShape=[1, size])
    return b.op("FULLY_CONNECTED", [flat, b.weights(40, size), b.weights(40)], [1, 40], "FullyConnectedOptions")


def _pool(kind: str) -> Build:
    def build(b: Block) -> int:
        options = {"padding": VALID, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
        return b.op(kind, [b.x], [1, 4, 4, CHANNELS], "Pool2DOptions", **options)

    return build


def _reduce(kind: str) -> Build:
    return lambda b: b.op(kind, [b.x, b.integers(1, 2)], [1, CHANNELS], "ReducerOptions", keepDims=False)


def _alone(kind: str, options: str = "", **fields: Any) -> Build:
    return lambda b: b.op(kind, [b.x], SHAPE, options, **fields)


def _of_positive(kind: str, options: str = "") -> Build:
    """After a sigmoid, which makes its input positive."""
    return lambda b: b.op(kind, [b.op("LOGISTIC", [b.x], SHAPE)], SHAPE, options)


def _with_itself(kind: str, options: str = "") -> Build:
    """x with tanh(x): two activations of different scales."""
    return lambda b: b.op(kind, [b.x, b.op("TANH", [b.x], SHAPE)], SHAPE, options)


def _ratio(b: Block) -> int:
    return b.op("DIV", [b.x, b.op("LOGISTIC", [b.x], SHAPE)], SHAPE, "DivOptions")


def _reshape(b: Block) -> int:
    shape = [1, 4, SIDE, 2 * CHANNELS]
    return b.op("RESHAPE", [b.x, b.integers(*shape)], shape, "ReshapeOptions", newShape=shape)


def _transpose(b: Block) -> int:
    return b.op("TRANSPOSE", [b.x, b.integers(0, 3, 1, 2)], [1, CHANNELS, SIDE, SIDE], "TransposeOptions")


def _pad(kind: str, options: str = "", **fields: Any) -> Build:
    def build(b: Block) -> int:
        sides = b.constant(np.array([[0, 0], [1, 1], [2, 1], [0, 0]]), "int32")
        value = [b.constant(np.float32([0.5]).reshape(()))] if kind == "PADV2" else []
        return b.op(kind, [b.x, sides, *value], [1, 10, 11, CHANNELS], options, **fields)

    return build


def _concatenation(b: Block) -> int:
    inputs = [b.x, b.op("TANH", [b.x], SHAPE)]
    return b.op("CONCATENATION", inputs, [1, SIDE, SIDE, 2 * CHANNELS], "ConcatenationOptions", axis=3)


def _split(b: Block) -> int:
    half = [1, SIDE, SIDE, CHANNELS // 2]
    axis = b.constant(np.array(3).reshape(()), "int32")
    first, second = b.ops("SPLIT", [axis, b.x], [half, half], "SplitOptions", numSplits=2)
    return b.op("SUB", [first, second], half, "SubOptions")


def _slice(b: Block) -> int:
    return b.op("SLICE", [b.x, b.integers(0, 1, 2, 3), b.integers(1, 4, 5, 6)], [1, 4, 5, 6], "SliceOptions")


def _strided_slice(b: Block) -> int:
    inputs = [b.x, b.integers(0, 0, 1, 0), b.integers(1, 8, 8, 16), b.integers(1, 2, 1, 2)]
    return b.op("STRIDED_SLICE", inputs, [1, 4, 7, 8], "StridedSliceOptions")


def _resize(kind: str) -> Build:
    return lambda b: b.op(kind, [b.x, b.integers(13, 17)], [1, 13, 17, CHANNELS], f"{_camel(kind)}Options")


def _camel(kind: str) -> str:
    return "".join(part.capitalize() for part in kind.split("_"))


def _pack(b: Block) -> int:
    inputs = [b.x, b.op("TANH", [b.x], SHAPE)]
    return b.op("PACK", inputs, [2, *SHAPE], "PackOptions", axis=0, valuesCount=2)


def _gather(b: Block) -> int:
    return b.op("GATHER", [b.x, b.integers(5, 0, 3)], [1, SIDE, SIDE, 3], "GatherOptions", axis=3, batchDims=0)


def _space_to_depth(b: Block) -> int:
    return b.op("SPACE_TO_DEPTH", [b.x], [1, 4, 4, 4 * CHANNELS], "SpaceToDepthOptions", blockSize=2)


def _batch_matmul(b: Block) -> int:
    shape = [SIDE, SIDE, CHANNELS]
    rows = b.op("RESHAPE", [b.x, b.integers(*shape)], shape, "ReshapeOptions", newShape=shape)
    tanh = b.op("TANH", [rows], shape)
    return b.op("BATCH_MATMUL", [rows, tanh], [SIDE, SIDE, SIDE], "BatchMatMulOptions", adjX=False, adjY=True)


def _select(b: Block) -> int:
    which = b.constant(np.random.default_rng(3).integers(0, 2, SHAPE), "bool")
    return b.op("SELECT_V2", [which, b.x, b.op("TANH", [b.x], SHAPE)], SHAPE, "SelectV2Options")


conv_1x1 = _conv(1)

BLOCKS: dict[str, tuple[str, Build]] = {
    "conv 1x1": ("CONV_2D", _conv(1)),
    "conv 3x3": ("CONV_2D", _conv(3)),
    "conv 3x3, stride 2": ("CONV_2D", _conv(3, stride=2)),
    "conv 3x3, dilated": ("CONV_2D", _conv(3, dilation=2)),
    "depthwise 3x3": ("DEPTHWISE_CONV_2D", _depthwise),
    "depthwise 3x3, stride 2": ("DEPTHWISE_CONV_2D", lambda b: _depthwise(b, 2)),
    "transpose conv": ("TRANSPOSE_CONV", _transpose_conv),
    "dense": ("FULLY_CONNECTED", _dense),
    "batch matmul": ("BATCH_MATMUL", _batch_matmul),
    "average pool": ("AVERAGE_POOL_2D", _pool("AVERAGE_POOL_2D")),
    "max pool": ("MAX_POOL_2D", _pool("MAX_POOL_2D")),
    "mean": ("MEAN", _reduce("MEAN")),
    "sum": ("SUM", _reduce("SUM")),
    "reduce min": ("REDUCE_MIN", _reduce("REDUCE_MIN")),
    "add": ("ADD", _with_itself("ADD", "AddOptions")),
    "sub": ("SUB", _with_itself("SUB", "SubOptions")),
    "mul": ("MUL", _with_itself("MUL", "MulOptions")),
    "div": ("DIV", _ratio),
    "maximum": ("MAXIMUM", _with_itself("MAXIMUM", "MaximumMinimumOptions")),
    "squared difference": ("SQUARED_DIFFERENCE", _with_itself("SQUARED_DIFFERENCE", "SquaredDifferenceOptions")),
    "relu": ("RELU", _alone("RELU")),
    "sigmoid": ("LOGISTIC", _alone("LOGISTIC")),
    "tanh": ("TANH", _alone("TANH")),
    "hard swish": ("HARD_SWISH", _alone("HARD_SWISH", "HardSwishOptions")),
    "gelu": ("GELU", _alone("GELU", "GeluOptions", approximate=False)),
    "softmax": ("SOFTMAX", _alone("SOFTMAX", "SoftmaxOptions", beta=1.0)),
    "sqrt": ("SQRT", _of_positive("SQRT")),
    "rsqrt": ("RSQRT", _of_positive("RSQRT")),
    "reshape": ("RESHAPE", _reshape),
    "transpose": ("TRANSPOSE", _transpose),
    "pad": ("PAD", _pad("PAD", "PadOptions")),
    "pad with a value": ("PADV2", _pad("PADV2", "PadV2Options")),
    "mirror pad": ("MIRROR_PAD", _pad("MIRROR_PAD", "MirrorPadOptions", mode=0)),
    "concatenation": ("CONCATENATION", _concatenation),
    "split": ("SPLIT", _split),
    "slice": ("SLICE", _slice),
    "strided slice": ("STRIDED_SLICE", _strided_slice),
    "resize, bilinear": ("RESIZE_BILINEAR", _resize("RESIZE_BILINEAR")),
    "resize, nearest": ("RESIZE_NEAREST_NEIGHBOR", _resize("RESIZE_NEAREST_NEIGHBOR")),
    "pack": ("PACK", _pack),
    "gather": ("GATHER", _gather),
    "space to depth": ("SPACE_TO_DEPTH", _space_to_depth),
    "select": ("SELECT_V2", _select),
}
"""Name → the operator it is about, and how it is built."""

MATRIX = ("conv 1x1", "conv 3x3", "conv 3x3, stride 2", "conv 3x3, dilated", "transpose conv", "dense")
"""Blocks that multiply matrices with constant weights, in XNNPACK."""


def float_block(name: str) -> bytes:
    block = Block()
    return block.build(BLOCKS[name][1](block))


def int8_block(name: str) -> bytes:
    """Calibrated on normally distributed values."""
    content = float_block(name)
    return write(content, "int8", calibrate(content, [{"x": x} for x in calibration()]))


def calibration() -> NDArray[np.float32]:
    """float32 [8, 1, 8, 8, 16], normally distributed."""
    return np.random.default_rng(0).normal(0, 1.5, (8, *SHAPE)).astype(np.float32)


def named_inputs(model: bytes, examples: int = 3) -> dict[str, NDArray[Any]]:
    """The same in real units, under the model's own name."""
    [spec] = Runner(model).inputs
    return {spec.name: spec.dequantize(inputs(examples))}


def inputs(examples: int = 3) -> NDArray[np.int8]:
    """int8 [examples, 8, 8, 16] over the whole range; the first example is −128 and 127 alone."""
    rng = np.random.default_rng(1)
    values = rng.integers(-128, 128, (examples, *SHAPE[1:])).astype(np.int8)
    values[0] = np.where(rng.random(SHAPE[1:]) < 0.5, -128, 127)
    return values
