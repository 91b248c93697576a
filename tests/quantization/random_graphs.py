"""Random small float networks: every kind of operator that a vision network is made of, in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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

    def build(self) -> bytes:
        """With global pooling and a dense layer behind it."""
        axes = self._graph.tensor("axes", [2], "int32", data=np.array([1, 2]))
        channels = self._shape[3]
        pooled = self._operator("MEAN", [self._end, axes], [1, channels], "ReducerOptions", keepDims=False)
        inputs = [pooled, self._weights([CLASSES, channels], fan_in=channels), self._bias(CLASSES)]
        logits = self._operator("FULLY_CONNECTED", inputs, [1, CLASSES], "FullyConnectedOptions")
        return self._graph.build([self._input], [logits])

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
