"""Random small float networks: every kind of operator that a network is made of, in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.tflite.plain_operators import plain_operators
from tests.tiny_models import Graph

NONE, RELU, RELU6 = 0, 1, 3
SAME = 0
SIDE, CHANNELS, CLASSES = 6, 4, 3


class Growing:
    """A network that grows by one building block at a time."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._graph = Graph()
        self._count = 0
        self._shape = [1, SIDE, SIDE, CHANNELS]
        self._input = self._end = self._graph.tensor("x", self._shape, open_batch=True)

    def conv(self, activation: int = RELU, kernel: int = 3, channels: int = 5, *, keep: bool = False) -> int:
        """SAME padding, stride 1; `keep` leaves the network's end where it is."""
        weights = self._weights([channels, kernel, kernel, self._shape[3]], fan_in=kernel**2 * self._shape[3])
        options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": SAME}
        shape = [*self._shape[:3], channels]
        inputs = [self._end, weights, self._bias(channels)]
        made = self._operator("CONV_2D", inputs, shape, "Conv2DOptions", fusedActivationFunction=activation, **options)
        if not keep:
            self._end, self._shape = made, shape
        return made

    def depthwise(self) -> None:
        channels = self._shape[3]
        inputs = [self._end, self._weights([1, 3, 3, channels], fan_in=9), self._bias(channels)]
        shape = [1, -(-self._shape[1] // 2), -(-self._shape[2] // 2), channels]
        options = {"strideH": 2, "strideW": 2, "dilationHFactor": 1, "dilationWFactor": 1, "padding": SAME}
        kind = "DepthwiseConv2DOptions"
        options |= {"depthMultiplier": 1, "fusedActivationFunction": RELU6}
        self._end = self._operator("DEPTHWISE_CONV_2D", inputs, shape, kind, **options)
        self._shape = shape

    def residual(self) -> None:
        branch = self.conv(RELU, 1, self._shape[3], keep=True)
        self._end = self._operator("ADD", [self._end, branch], self._shape, "AddOptions")

    def gate(self) -> None:
        """Squeeze-and-excite without the squeeze: x · sigmoid(conv(x))."""
        branch = self.conv(NONE, 1, self._shape[3], keep=True)
        gate = self._operator("LOGISTIC", [branch], self._shape)
        self._end = self._operator("MUL", [self._end, gate], self._shape, "MulOptions")

    def concatenation(self) -> None:
        branch = self.conv(RELU, 1, 2, keep=True)
        shape = [*self._shape[:3], self._shape[3] + 2]
        self._end = self._operator("CONCATENATION", [self._end, branch], shape, "ConcatenationOptions", axis=3)
        self._shape = shape

    def pooling(self, kind: str) -> None:
        shape = [1, -(-self._shape[1] // 2), -(-self._shape[2] // 2), self._shape[3]]
        options = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2, "padding": SAME}
        self._end = self._operator(kind, [self._end], shape, "Pool2DOptions", **options)
        self._shape = shape

    def unary(self, kind: str, options: str = "", **values: Any) -> None:
        self._end = self._operator(kind, [self._end], self._shape, options, **values)

    def padding(self) -> None:
        shape = [1, self._shape[1] + 2, self._shape[2] + 2, self._shape[3]]
        around = self._graph.tensor(
            self._name("around"), [4, 2], "int32", data=np.array([[0, 0], [1, 1], [1, 1], [0, 0]])
        )
        self._end = self._operator("PAD", [self._end, around], shape, "PadOptions")
        self._shape = shape

    def dead(self) -> None:
        """A layer whose weights are all zero: its activation is constant."""
        channels = self._shape[3]
        weights = self._constant("zeros", [channels, 1, 1, channels], np.zeros((channels, 1, 1, channels)))
        options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": SAME}
        inputs = [self._end, weights, self._bias(channels)]
        branch = self._operator("CONV_2D", inputs, self._shape, "Conv2DOptions", **options)
        self._end = self._operator("ADD", [self._end, branch], self._shape, "AddOptions")

    def unequal_concatenation(self) -> None:
        """With a branch that is four times as large; what is behind makes both equal again."""
        branch = self.conv(RELU, 1, 2, keep=True)
        large = self._operator("MUL", [branch, self._number(4.0)], [*self._shape[:3], 2], "MulOptions")
        shape = [*self._shape[:3], self._shape[3] + 2]
        both = self._operator("CONCATENATION", [self._end, large], shape, "ConcatenationOptions", axis=3)
        factors = self._constant("factors", [shape[3]], np.array([1.0] * self._shape[3] + [1 / 4] * 2))
        self._end = self._operator("MUL", [both, factors], shape, "MulOptions")
        self._shape = shape

    def extreme(self, kind: str) -> None:
        branch = self.conv(NONE, 1, self._shape[3], keep=True)
        self._end = self._operator(kind, [self._end, branch], self._shape, "MaximumMinimumOptions")

    def select(self) -> None:
        """As Keras writes ELU with another alpha: what is below zero is multiplied."""
        over = self._graph.tensor(self._name("over"), self._shape, "bool", open_batch=True)
        self._graph.operator("GREATER", [self._end, self._number(0.0)], [over], "GreaterOptions")
        small = self._operator("MUL", [self._end, self._number(0.3)], self._shape, "MulOptions")
        self._end = self._operator("SELECT_V2", [over, self._end, small], self._shape, "SelectV2Options")

    def moved(self, kind: str, shape: list[int], options: str, operands: list[list[int]], **values: Any) -> None:
        """An operator that only moves values, with integer operands."""
        constants = [self._integers(one) for one in operands]
        self._end = self._operator(kind, [self._end, *constants], shape, options, **values)
        self._shape = shape

    def turned(self) -> None:
        batch, height, width, channels = self._shape
        self.moved("TRANSPOSE", [batch, width, height, channels], "TransposeOptions", [[0, 2, 1, 3]])

    def tiled(self) -> None:
        batch, height, width, channels = self._shape
        self.moved("TILE", [batch, height, width, 2 * channels], "TileOptions", [[1, 1, 1, 2]])

    def reversed(self) -> None:
        self.moved("REVERSE_V2", self._shape, "ReverseV2Options", [[2]])

    def gathered(self) -> None:
        shape, places = [*self._shape[:3], 3], self._rng.integers(0, self._shape[3], 3)
        self.moved("GATHER", shape, "GatherOptions", [places.tolist()], axis=3)

    def enlarged(self) -> None:
        batch, height, width, channels = self._shape
        size = [2 * height, 2 * width]
        self.moved("RESIZE_NEAREST_NEIGHBOR", [batch, *size, channels], "ResizeNearestNeighborOptions", [size])

    def mirrored(self) -> None:
        batch, height, width, channels = self._shape
        if min(height, width) > 1:
            shape = [batch, height + 2, width, channels]
            self.moved("MIRROR_PAD", shape, "MirrorPadOptions", [[[0, 0], [1, 1], [0, 0], [0, 0]]])  # type: ignore[list-item]

    def rows(self, order: Callable[[int], list[int]], kind: str) -> None:
        """Rows taken apart (SPLIT or UNPACK) and put together again in another order, some of them twice."""
        batch, height, width, channels = self._shape
        places = order(height)
        single = [batch, width, channels] if kind == "UNPACK" else [batch, 1, width, channels]
        parts = [self._graph.tensor(self._name("row"), single, open_batch=True) for _ in range(height)]
        shape = [batch, len(places), width, channels]
        if kind == "UNPACK":
            self._graph.operator(kind, [self._end], parts, "UnpackOptions", num=height, axis=1)
            chosen = [parts[place] for place in places]
            self._end = self._operator("PACK", chosen, shape, "PackOptions", valuesCount=len(places), axis=1)
        else:
            axis = self._graph.tensor(self._name("axis"), [], "int32", data=np.array(1))
            self._graph.operator(kind, [axis, self._end], parts, "SplitOptions", numSplits=height)
            chosen = [parts[place] for place in places]
            self._end = self._operator("CONCATENATION", chosen, shape, "ConcatenationOptions", axis=1)
        self._shape = shape

    def attention(self) -> None:
        """softmax(x · xᵀ) · x over the positions."""
        batch, height, width, channels = self._shape
        positions = height * width
        shape = self._integers([-1, positions, channels])
        rows = self._operator("RESHAPE", [self._end, shape], [batch, positions, channels], "ReshapeOptions")
        small = self._operator("MUL", [rows, self._number(0.5)], [batch, positions, channels], "MulOptions")
        square = [batch, positions, positions]
        scores = self._operator("BATCH_MATMUL", [small, rows], square, "BatchMatMulOptions", adjY=True)
        weights = self._operator("SOFTMAX", [scores], square, "SoftmaxOptions", beta=1.0)
        mixed = self._operator("BATCH_MATMUL", [weights, rows], [batch, positions, channels], "BatchMatMulOptions")
        back = self._integers([-1, height, width, channels])
        self._end = self._operator("RESHAPE", [mixed, back], self._shape, "ReshapeOptions")

    def build(self) -> bytes:
        """With global pooling and a dense layer behind it."""
        axes = self._graph.tensor("axes", [2], "int32", data=np.array([1, 2]))
        channels = self._shape[3]
        pooled = self._operator("MEAN", [self._end, axes], [1, channels], "ReducerOptions", keepDims=False)
        inputs = [pooled, self._weights([CLASSES, channels], fan_in=channels), self._bias(CLASSES)]
        logits = self._operator("FULLY_CONNECTED", inputs, [1, CLASSES], "FullyConnectedOptions")
        return plain_operators(self._graph.build([self._input], [logits]))

    def _operator(self, kind: str, inputs: list[int], shape: list[int], options: str = "", **values: Any) -> int:
        made = self._graph.tensor(self._name(kind.lower()), shape, open_batch=True)
        self._graph.operator(kind, inputs, [made], options, **values)
        return made

    def _weights(self, shape: list[int], fan_in: int) -> int:
        return self._constant("weights", shape, self._rng.normal(0, np.sqrt(2 / fan_in), shape))

    def _bias(self, channels: int) -> int:
        return self._constant("bias", [channels], self._rng.normal(0, 0.2, channels))

    def _constant(self, what: str, shape: list[int], values: np.ndarray) -> int:
        return self._graph.tensor(self._name(what), shape, data=values.astype(np.float32))

    def _number(self, value: float) -> int:
        return self._constant("number", [], np.array(value))

    def _integers(self, values: list[int]) -> int:
        array = np.array(values, np.int32)
        return self._graph.tensor(self._name("integers"), list(array.shape), "int32", data=array)

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"


BLOCKS: dict[str, Callable[[Growing], object]] = {
    "conv": lambda net: net.conv(),
    "conv, linear": lambda net: net.conv(NONE),
    "conv, one channel": lambda net: net.conv(RELU6, 1, 1),
    "depthwise": Growing.depthwise,
    "residual": Growing.residual,
    "gate": Growing.gate,
    "concatenation": Growing.concatenation,
    "max pooling": lambda net: net.pooling("MAX_POOL_2D"),
    "average pooling": lambda net: net.pooling("AVERAGE_POOL_2D"),
    "hard swish": lambda net: net.unary("HARD_SWISH"),
    "tanh": lambda net: net.unary("TANH"),
    "leaky": lambda net: net.unary("LEAKY_RELU", "LeakyReluOptions", alpha=0.1),
    "padding": Growing.padding,
    "dead": Growing.dead,
    "unequal concatenation": Growing.unequal_concatenation,
    "maximum": lambda net: net.extreme("MAXIMUM"),
    "minimum": lambda net: net.extreme("MINIMUM"),
    "select": Growing.select,
    "square": lambda net: net.unary("SQUARE", "SquareOptions"),
    "negative": lambda net: net.unary("NEG", "NegOptions"),
    "absolute": lambda net: net.unary("ABS"),
    "elu": lambda net: net.unary("ELU"),
    "gelu": lambda net: net.unary("GELU", "GeluOptions"),
    "gelu by tanh": lambda net: net.unary("GELU", "GeluOptions", approximate=True),
    "unit length": lambda net: net.unary("L2_NORMALIZATION", "L2NormOptions"),
    "turned": Growing.turned,
    "tiled": Growing.tiled,
    "reversed": Growing.reversed,
    "gathered": Growing.gathered,
    "enlarged": Growing.enlarged,
    "mirrored": Growing.mirrored,
    "repeated": lambda net: net.rows(lambda count: sorted([*range(count)] * 2), "SPLIT"),
    "split and joined": lambda net: net.rows(lambda count: [*range(count)][::-1], "SPLIT"),
    "unpacked and packed": lambda net: net.rows(lambda count: [0, *range(count)], "UNPACK"),
    "attention": Growing.attention,
}


def grow(blocks: list[str], seed: int) -> bytes:
    """A network of these blocks, [?, 6, 6, 4] → [?, 3]."""
    network = Growing(seed)
    for block in blocks:
        BLOCKS[block](network)
    return network.build()


def examples(seed: int, count: int = 40) -> np.ndarray:
    """float32 [count, 6, 6, 4], each with a level of its own."""
    rng = np.random.default_rng(seed)
    return rng.normal(rng.uniform(-1, 1, (count, 1, 1, 1)), 0.5, (count, SIDE, SIDE, CHANNELS)).astype(np.float32)
