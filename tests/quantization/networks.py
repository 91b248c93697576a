"""Small float networks of any make, without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tiny_models import Graph

NONE, RELU, RELU6 = 0, 1, 3
FLOAT32, INT64, BOOL = 0, 4, 6  # of the schema's TensorType
SIDE, CHANNELS = 8, 4


def stack(
    seed: int = 0, *, activation: int = RELU6, spread: float = 1.5, units: int = 5, dense_bias: bool = True
) -> bytes:
    """conv 3x3 → depthwise 3x3 (stride 2) → conv 1x1 → mean → dense, [?, 8, 8, 3] → [?, units].

    Args:
        activation: Of the convolutions.
        spread: How much the channels' sizes differ (standard deviation of their logarithms).
    """
    rng = np.random.default_rng(seed)
    graph = Graph()
    x = graph.tensor("x", [1, SIDE, SIDE, 3], open_batch=True)

    def constant(name: str, *shape: int, axis: int = 0, size: float = 0.3) -> int:
        values = rng.normal(0, size, shape)
        lengths = [1] * len(shape)
        lengths[axis] = -1
        values *= np.exp(rng.normal(0, spread, shape[axis])).reshape(lengths)
        return graph.tensor(name, list(shape), data=values.astype(np.float32))

    def layer(name: str, kind: str, options: str, inputs: list[int], shape: list[int], **values: Any) -> int:
        output = graph.tensor(name, shape, open_batch=True)
        graph.operator(kind, inputs, [output], options, **values)
        return output

    def ends(name: str, channels: int) -> list[int]:
        return [constant(f"{name}/bias", channels, size=0.05)]

    one = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    two = {**one, "strideH": 2, "strideW": 2}
    act = {"fusedActivationFunction": activation}
    inputs = [x, constant("conv/weights", CHANNELS, 3, 3, 3), *ends("conv", CHANNELS)]
    y = layer("conv", "CONV_2D", "Conv2DOptions", inputs, [1, SIDE, SIDE, CHANNELS], padding=0, **one, **act)
    inputs = [y, constant("depthwise/weights", 1, 3, 3, CHANNELS, axis=3), *ends("depthwise", CHANNELS)]
    shape = [1, SIDE // 2, SIDE // 2, CHANNELS]
    options = {"padding": 0, "depthMultiplier": 1, **two, **act}
    y = layer("depthwise", "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", inputs, shape, **options)
    inputs = [y, constant("pointwise/weights", 6, 1, 1, CHANNELS), *ends("pointwise", 6)]
    y = layer("pointwise", "CONV_2D", "Conv2DOptions", inputs, [1, 4, 4, 6], padding=1, **one, **act)
    axes = graph.tensor("axes", [2], "int32", data=np.array([1, 2]))
    y = layer("mean", "MEAN", "ReducerOptions", [y, axes], [1, 6], keepDims=False)
    inputs = [y, constant("dense/weights", units, 6, size=1), *(ends("dense", units) if dense_bias else [])]
    y = layer("dense", "FULLY_CONNECTED", "FullyConnectedOptions", inputs, [1, units])
    return graph.build([x], [y])


def examples(count: int = 48, seed: int = 1) -> np.ndarray:
    """float32 [count, 8, 8, 3] between −1 and 1: each with a level and a contrast of its own."""
    rng = np.random.default_rng(seed)
    levels, contrasts = rng.uniform(-0.6, 0.6, (count, 1, 1, 3)), rng.uniform(0.1, 0.4, (count, 1, 1, 1))
    return np.clip(rng.normal(levels, contrasts, (count, SIDE, SIDE, 3)), -1, 1).astype(np.float32)


FEATURES, WORDS, LENGTH = 6, 20, 5
"""Of the networks below: columns of a table, rows of an embedding, tokens of a sentence."""


class Layers(Graph):
    """Adds layers with seeded weights."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def weights(self, name: str, *shape: int) -> int:
        return self.tensor(name, list(shape), data=self.rng.normal(0, 0.5, shape).astype(np.float32))

    def dense(
        self,
        name: str,
        x: int,
        inputs: int,
        units: int,
        rows: int = 1,
        *,
        open_batch: bool = True,
        activation: int = NONE,
    ) -> int:
        y = self.tensor(name, [rows, units], open_batch=open_batch)
        parts = [x, self.weights(f"{name}/weights", units, inputs), self.weights(f"{name}/bias", units)]
        self.operator("FULLY_CONNECTED", parts, [y], "FullyConnectedOptions", fusedActivationFunction=activation)
        return y


def two_inputs() -> bytes:
    """`left` [?, 6] and `right` [?, 3] → a dense layer each → their sum → `y` [?, 4]."""
    graph = Layers()
    ends = [graph.tensor(name, [1, size], open_batch=True) for name, size in (("left", FEATURES), ("right", 3))]
    both = [graph.dense(name, x, size, 5) for name, x, size in zip("ab", ends, (FEATURES, 3), strict=True)]
    total = graph.tensor("sum", [1, 5], open_batch=True)
    graph.operator("ADD", both, [total], "AddOptions")
    return graph.build(ends, [graph.dense("y", total, 5, 4)])


def two_outputs() -> bytes:
    """`x` [?, 6] → SPLIT in halves → a dense layer each: `kind`, a softmax [?, 4], and `value` [?, 1]."""
    graph = Layers()
    x = graph.tensor("x", [1, FEATURES], open_batch=True)
    axis = graph.tensor("axis", [], "int32", data=np.array(1))
    halves = [graph.tensor(name, [1, FEATURES // 2], open_batch=True) for name in ("first", "second")]
    graph.operator("SPLIT", [axis, x], halves, "SplitOptions", numSplits=2)
    logits, kind = graph.dense("logits", halves[0], FEATURES // 2, 4), graph.tensor("kind", [1, 4], open_batch=True)
    graph.operator("SOFTMAX", [logits], [kind], "SoftmaxOptions", beta=1.0)
    return graph.build([x], [kind, graph.dense("value", halves[1], FEATURES // 2, 1)])


def sentences(*, best: bool = False) -> bytes:
    """`words` int32 [?, 5] → GATHER [?, 5, 4], where `mask` bool [?, 5, 1] is set → mean → dense `y` [?, 3].

    Args:
        best: A second output, `best` int64 [?]: the largest of `y`.
    """
    graph = Layers()
    words = graph.tensor("words", [1, LENGTH], "int32", open_batch=True)
    mask = graph.tensor("mask", [1, LENGTH, 1], "bool", open_batch=True)
    table = graph.weights("table", WORDS, 4)
    embedded, masked = (graph.tensor(name, [1, LENGTH, 4], open_batch=True) for name in ("embedded", "masked"))
    cast, mean = graph.tensor("cast", [1, LENGTH, 1], open_batch=True), graph.tensor("mean", [1, 4], open_batch=True)
    graph.operator("GATHER", [table, words], [embedded], "GatherOptions", axis=0)
    graph.operator("CAST", [mask], [cast], "CastOptions", inDataType=BOOL, outDataType=FLOAT32)
    graph.operator("MUL", [embedded, cast], [masked], "MulOptions")
    axes = graph.tensor("axes", [1], "int32", data=np.array([1]))
    graph.operator("MEAN", [masked, axes], [mean], "ReducerOptions", keepDims=False)
    outputs = [graph.dense("y", mean, 4, 3)]
    if best:
        axis = graph.tensor("axis", [], "int32", data=np.array(1))
        outputs.append(graph.tensor("best", [1], "int64", open_batch=True))
        graph.operator("ARG_MAX", [outputs[0], axis], [outputs[1]], "ArgMaxOptions", outputType=INT64)
    return graph.build([words, mask], outputs)


def one_sentence() -> bytes:
    """`words` int32 [5], no batch → EMBEDDING_LOOKUP [5, 4] → dense `y` [5, 3], a row a word."""
    graph = Layers()
    words = graph.tensor("words", [LENGTH], "int32")
    embedded = graph.tensor("embedded", [LENGTH, 4])
    graph.operator("EMBEDDING_LOOKUP", [words, graph.weights("table", WORDS, 4)], [embedded])
    return graph.build([words], [graph.dense("y", embedded, 4, 3, LENGTH, open_batch=False)])


def any_size() -> bytes:
    """`image` [?, ?, ?, 1] → conv 3x3 `hidden` (ReLU) → conv 3x3 `clean` [?, ?, ?, 1]."""
    graph = Layers()
    y = image = graph.tensor("image", [1, 1, 1, 1], open_batch=True, open_axes=(1, 2))
    for name, inputs, outputs, activation in (("hidden", 1, 4, RELU), ("clean", 4, 1, NONE)):
        before, y = y, graph.tensor(name, [1, 1, 1, outputs], open_batch=True, open_axes=(1, 2))
        parts = [
            before,
            graph.weights(f"{name}/weights", outputs, 3, 3, inputs),
            graph.weights(f"{name}/bias", outputs),
        ]
        options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 0}
        graph.operator("CONV_2D", parts, [y], "Conv2DOptions", fusedActivationFunction=activation, **options)
    return graph.build([image], [y])


def inputs_of(network: str, count: int = 40, seed: int = 1) -> dict[str, np.ndarray]:
    """Examples for one of the networks above, by input name."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=(count, *shape)).astype(np.float32)

    if network == "two_inputs":
        return {"left": normal(FEATURES), "right": 3 * normal(3)}
    if network == "two_outputs":
        return {"x": normal(FEATURES)}
    if network == "any_size":
        return {"image": normal(7, 6, 1)}
    words = {"words": rng.integers(0, WORDS, (count, LENGTH)).astype(np.int32)}
    return words if network == "one_sentence" else {**words, "mask": rng.random((count, LENGTH, 1)) < 0.7}


NETWORKS = {"two_inputs": two_inputs, "two_outputs": two_outputs, "sentences": sentences, "any_size": any_size}
NETWORKS |= {"one_sentence": one_sentence}
"""One of each kind that is no image classifier, by name."""
