"""Small whole models, of which the damaged ones are made: float and int8, images, tokens, several ends, a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.tflite.metadata import Metadata, write
from tests import tiny_models
from tests.tiny_models import Graph, with_subgraphs


def sound_files() -> list[bytes]:
    """Most of them take an 8x8 picture and give ten scores, so that commands with data come to their end."""
    described = Metadata("digits", labels=tuple("0123456789"), preprocessing={"scale": "0..1"})
    return [
        write(tiny_models.digits(), described),
        pictures(),
        write(pictures("int8"), described),
        looped(),
        tiny_models.joined("int8"),
        tiny_models.of_tokens(),
    ]


def pictures(dtype: str = "float32") -> bytes:
    """x [B, 8, 8, 1] → [B, 10] through thirteen kinds of operators, as converters write them; open batch."""
    random, graph = np.random.default_rng(6), Graph()
    quantized = dtype == "int8"

    def activation(name: str, shape: list[int], scale: float = 0.05, zero_point: int = 0) -> int:
        parameters: dict[str, Any] = {"scale": scale, "zero_point": zero_point} if quantized else {}
        return graph.tensor(name, [1, *shape], dtype, open_batch=True, **parameters)

    def weights(name: str, shape: list[int]) -> tuple[int, int]:
        values, count = random.normal(size=shape) / 2, shape[-1] if name == "depthwise" else shape[0]
        if quantized:
            w = graph.tensor(f"{name}/w", shape, "int8", data=np.round(values.clip(-1, 1) * 127), scale=1 / 127)
            return w, graph.tensor(f"{name}/b", [count], "int32", data=np.zeros(count), scale=0.05 / 127)
        return graph.tensor(f"{name}/w", shape, data=values), graph.tensor(f"{name}/b", [count], data=np.zeros(count))

    def numbers(name: str, values: Any) -> int:
        return graph.tensor(name, list(np.shape(values)), "int32", data=np.array(values))

    x, padded = activation("x", [8, 8, 1]), activation("padded", [10, 10, 1])
    graph.operator("PAD", [x, numbers("paddings", [[0, 0], [1, 1], [1, 1], [0, 0]])], [padded], "PadOptions")
    found = activation("found", [8, 8, 4])
    valid: dict[str, Any] = {"padding": schema.Padding.VALID, "strideH": 1, "strideW": 1}
    graph.operator("CONV_2D", [padded, *weights("conv", [4, 3, 3, 1])], [found], "Conv2DOptions", **valid)
    each = activation("each", [8, 8, 4])
    same: dict[str, Any] = {**valid, "padding": schema.Padding.SAME, "depthMultiplier": 1}
    depthwise = [found, *weights("depthwise", [1, 3, 3, 4])]
    graph.operator("DEPTHWISE_CONV_2D", depthwise, [each], "DepthwiseConv2DOptions", **same)
    total, pooled = activation("total", [8, 8, 4]), activation("pooled", [4, 4, 4])
    graph.operator("ADD", [found, each], [total], "AddOptions")
    half: dict[str, Any] = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2}
    graph.operator("MAX_POOL_2D", [total], [pooled], "Pool2DOptions", padding=schema.Padding.VALID, **half)
    resized, turned = activation("resized", [6, 6, 4]), activation("turned", [6, 6, 4])
    graph.operator("RESIZE_BILINEAR", [pooled, numbers("size", [6, 6])], [resized], "ResizeBilinearOptions")
    graph.operator("TRANSPOSE", [resized, numbers("order", [0, 2, 1, 3])], [turned], "TransposeOptions")
    ends = [numbers("begin", [0, 1, 1, 0]), numbers("end", [0, 5, 5, 4]), numbers("strides", [1, 1, 1, 1])]
    sliced = activation("sliced", [4, 4, 4])
    masks: dict[str, Any] = {"beginMask": 1, "endMask": 1}
    graph.operator("STRIDED_SLICE", [turned, *ends], [sliced], "StridedSliceOptions", **masks)
    left, right, both = activation("left", [4, 4, 2]), activation("right", [4, 4, 2]), activation("both", [4, 4, 4])
    graph.operator("SPLIT", [numbers("split", 3), sliced], [left, right], "SplitOptions", numSplits=2)
    graph.operator("CONCATENATION", [right, left], [both], "ConcatenationOptions", axis=3)
    mean, scores = activation("mean", [4]), activation("scores", [10])
    graph.operator("MEAN", [both, numbers("axes", [1, 2])], [mean], "ReducerOptions")
    graph.operator("FULLY_CONNECTED", [mean, *weights("dense", [10, 4])], [scores], "FullyConnectedOptions")
    y = activation("y", [10], 1 / 256, -128)
    graph.operator("SOFTMAX", [scores], [y], "SoftmaxOptions", beta=1.0)
    return graph.build([x], [y])


def looped() -> bytes:
    """x float32 [1, 8, 8, 1] → linear scores that a WHILE halves three times [1, 10]: three subgraphs."""
    graph = Graph()
    x, flat = graph.tensor("x", [1, 8, 8, 1]), graph.tensor("flat", [1, 64])
    graph.operator(
        "RESHAPE", [x, graph.tensor("shape", [2], "int32", data=np.array([1, 64]))], [flat], "ReshapeOptions"
    )
    w = graph.tensor("w", [10, 64], data=np.random.default_rng(0).normal(size=(10, 64)))
    scores, y = graph.tensor("scores", [1, 10]), graph.tensor("y", [1, 10])
    graph.operator("FULLY_CONNECTED", [flat, w, -1], [scores], "FullyConnectedOptions")
    start, turns = graph.tensor("start", [], "int32", data=np.array(0)), graph.tensor("turns", [], "int32")
    graph.operator("WHILE", [start, scores], [turns, y], "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    whole = graph.build([x], [y])

    condition = Graph()
    turn, values = condition.tensor("turn", [], "int32"), condition.tensor("values", [1, 10])
    more = condition.tensor("more", [], "bool")
    condition.operator("LESS", [turn, condition.tensor("three", [], "int32", data=np.array(3))], [more], "LessOptions")
    body = Graph()
    turn, values = body.tensor("turn", [], "int32"), body.tensor("values", [1, 10])
    following, halved = body.tensor("following", [], "int32"), body.tensor("halved", [1, 10])
    body.operator("ADD", [turn, body.tensor("one", [], "int32", data=np.array(1))], [following], "AddOptions")
    body.operator("MUL", [values, body.tensor("half", [], data=np.array(0.5))], [halved], "MulOptions")
    return with_subgraphs(
        whole, condition.build([turn, values], [more]), body.build([turn, values], [following, halved])
    )
