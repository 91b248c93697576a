"""Heads of detectors in which boxes of 0 to 640 and scores of 0 to 1 meet in one tensor."""

from __future__ import annotations

import numpy as np

from tests.tiny_models import Graph

CELLS = 64
CLASSES = 3
INPUT = "x"
X = np.random.default_rng(1).normal(0, 1, (32, 8, 8, 3)).astype(np.float32)


def yolo(*, moved: bool = True, largest: float = 640.0, unrelated: bool = False) -> bytes:
    """x [1, 8, 8, 3] → out [1, 7, 64], or [1, 64, 7] where nothing is moved behind the joining.

    Boxes come as rows · stride + grid, scores through a LOGISTIC.

    Args:
        moved: Whether a TRANSPOSE follows the joining.
        largest: The boxes' range, about.
        unrelated: Whether there is a second output of the features.
    """
    graph, rng = Graph(), np.random.default_rng(0)
    x = graph.tensor(INPUT, [1, 8, 8, 3])
    features = _conv(graph, rng, "features", x, 3, 16, activation=1)
    boxes = _rows(graph, _conv(graph, rng, "box", features, 16, 4), "box_rows", 4)
    logits = _rows(graph, _conv(graph, rng, "class", features, 16, CLASSES, bias=-2.0), "class_rows", CLASSES)
    scores, strided, decoded = (
        graph.tensor(name, [1, CELLS, width]) for name, width in (("scores", CLASSES), ("strided", 4), ("decoded", 4))
    )
    graph.operator("LOGISTIC", [logits], [scores])
    graph.operator("MUL", [boxes, graph.tensor("stride", [], data=np.float32(largest / 40))], [strided], "MulOptions")
    centres = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(1, CELLS, 2) * largest / 8
    grid = np.concatenate([centres, np.zeros((1, CELLS, 2))], -1)
    graph.operator("ADD", [strided, graph.tensor("grid", [1, CELLS, 4], data=grid)], [decoded], "AddOptions")
    joined = graph.tensor("joined", [1, CELLS, 4 + CLASSES])
    graph.operator("CONCATENATION", [decoded, scores], [joined], "ConcatenationOptions", axis=2)
    out = joined
    if moved:
        out = graph.tensor("out", [1, 4 + CLASSES, CELLS])
        order = graph.tensor("order", [3], "int32", data=np.array([0, 2, 1]))
        graph.operator("TRANSPOSE", [joined, order], [out], "TransposeOptions")
    return graph.build([x], [out, features] if unrelated else [out])


def scaled(last: float = 640.0, *, moved: bool = True) -> bytes:
    """x → shares of 0 to 1 · [last, last, last, last, 1, 1, 1], boxes beside scores: out [1, 7, 64] or [1, 64, 7]."""
    graph, rng = Graph(), np.random.default_rng(0)
    x = graph.tensor(INPUT, [1, 8, 8, 3])
    rows = _rows(graph, _conv(graph, rng, "head", x, 3, 4 + CLASSES), "rows", 4 + CLASSES)
    shares, out = (graph.tensor(name, [1, CELLS, 4 + CLASSES]) for name in ("shares", "scaled"))
    graph.operator("LOGISTIC", [rows], [shares])
    factors = graph.tensor("factors", [4 + CLASSES], data=np.array([last] * 4 + [1.0] * CLASSES))
    graph.operator("MUL", [shares, factors], [out], "MulOptions")
    if moved:
        before, out = out, graph.tensor("out", [1, 4 + CLASSES, CELLS])
        order = graph.tensor("order", [3], "int32", data=np.array([0, 2, 1]))
        graph.operator("TRANSPOSE", [before, order], [out], "TransposeOptions")
    return graph.build([x], [out])


def branches(widest: float = 100.0, *, given: bool = False) -> bytes:
    """x → a branch of up to `widest` and one of 0 to 1, joined and computed with by another layer.

    Args:
        widest: Of the wide branch, about.
        given: Whether the joined tensor is an output too.
    """
    graph, rng = Graph(), np.random.default_rng(0)
    x = graph.tensor(INPUT, [1, 8, 8, 3])
    wide = _conv(graph, rng, "wide", x, 3, 4, gain=widest)
    share = graph.tensor("share", [1, 8, 8, 4])
    graph.operator("LOGISTIC", [_conv(graph, rng, "gate", x, 3, 4, gain=2)], [share])
    joined = graph.tensor("joined", [1, 8, 8, 8])
    graph.operator("CONCATENATION", [wide, share], [joined], "ConcatenationOptions", axis=3)
    gains = np.concatenate([np.full(4, 1 / widest), np.full(4, 4.0)])
    weights = (rng.normal(0, 1, (3, 1, 1, 8)) * gains).astype(np.float32)
    out = graph.tensor("out", [1, 8, 8, 3])
    tensors = [joined, graph.tensor("w", [3, 1, 1, 8], data=weights), graph.tensor("b", [3], data=np.zeros(3))]
    graph.operator("CONV_2D", tensors, [out], "Conv2DOptions", strideH=1, strideW=1)
    return graph.build([x], [out, joined] if given else [out])


def _conv(
    graph: Graph,
    rng: np.random.Generator,
    name: str,
    source: int,
    inputs: int,
    outputs: int,
    *,
    activation: int = 0,
    bias: float = 0.0,
    gain: float = 2.0,
) -> int:
    weights = rng.normal(0, gain / np.sqrt(inputs), (outputs, 1, 1, inputs))
    made = graph.tensor(name, [1, 8, 8, outputs])
    graph.operator(
        "CONV_2D",
        [
            source,
            graph.tensor(f"{name}/weights", [outputs, 1, 1, inputs], data=weights),
            graph.tensor(f"{name}/bias", [outputs], data=np.full(outputs, bias)),
        ],
        [made],
        "Conv2DOptions",
        strideH=1,
        strideW=1,
        fusedActivationFunction=activation,
    )
    return made


def _rows(graph: Graph, source: int, name: str, width: int) -> int:
    rows = graph.tensor(name, [1, CELLS, width])
    shape = graph.tensor(f"{name}/shape", [3], "int32", data=np.array([1, CELLS, width]))
    graph.operator("RESHAPE", [source, shape], [rows], "ReshapeOptions", newShape=[1, CELLS, width])
    return rows
