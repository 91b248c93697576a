"""Tiny image classifiers with the inputs and outputs that phones see, written without TensorFlow."""

from __future__ import annotations

import numpy as np

from pipeline.tflite.metadata import Metadata, write
from tests.tiny_models import Graph

SHAPE = (6, 5, 3)
CLASSES = 4
MINUS_ONE_TO_ONE = {
    "size": [6, 5],
    "channels": 3,
    "resize": "bilinear",
    "fit": "stretch",
    "scale": "-1..1",
    "mean": [127.5],
    "std": [127.5],
}
"""As `Preprocessor.describe` writes it into a model."""


def classifier(
    io: str = "int8",
    *,
    shape: tuple[int, ...] = SHAPE,
    classes: int = CLASSES,
    scale: float = 0.0078125,
    zero_point: int = -1,
    ending: str | None = None,
) -> bytes:
    """[1, *shape] → random linear scores [1, classes], computed in int8.

    Args:
        io: Type of the input and output.
        shape: Of an example.
        classes: How many.
        scale: Of the input.
        zero_point: Of the input.
        ending: SOFTMAX or LOGISTIC at the end.
    """
    features = int(np.prod(shape))
    graph = Graph()
    start = x = graph.tensor("image", [1, *shape], io, **({} if io == "float32" else _quantized(scale, zero_point)))
    if io != "int8":
        x = graph.tensor("stored", [1, *shape], "int8", scale=scale, zero_point=-1)
        graph.operator("QUANTIZE", [start], [x], "QuantizeOptions")
    inner = -1 if io != "int8" else zero_point
    flat = graph.tensor("flat", [1, features], "int8", scale=scale, zero_point=inner)
    graph.operator(
        "RESHAPE", [x, graph.tensor("to", [2], "int32", data=np.array([1, features]))], [flat], "ReshapeOptions"
    )
    weights = np.random.default_rng(1).integers(-127, 128, (classes, features))
    w = graph.tensor("w", [classes, features], "int8", data=weights, scale=1 / 512)
    b = graph.tensor("b", [classes], "int32", data=np.zeros(classes), scale=scale / 512)
    y = graph.tensor("scores", [1, classes], "int8", scale=0.05, zero_point=3)
    graph.operator("FULLY_CONNECTED", [flat, w, b], [y], "FullyConnectedOptions")
    out_scale, out_zero = 0.05, 3
    if ending:
        out_scale, out_zero = 1 / 256, -128
        z = graph.tensor("shares", [1, classes], "int8", scale=out_scale, zero_point=out_zero)
        graph.operator(ending, [y], [z], *(["SoftmaxOptions"] if ending == "SOFTMAX" else []), **_beta(ending))
        y = z
    if io == "float32":
        end = graph.tensor("out", [1, classes])
        graph.operator("DEQUANTIZE", [y], [end], "DequantizeOptions")
    elif io != "int8":
        end = graph.tensor("out", [1, classes], io, **_quantized(out_scale, {"uint8": out_zero + 128}.get(io, 0)))
        graph.operator("QUANTIZE", [y], [end], "QuantizeOptions")
    else:
        end = y
    return graph.build([start], [end])


def described(model: bytes, labels: tuple[str, ...] = ("ant", "bee", "cat", "dög"), **changes: object) -> bytes:
    """The model with the metadata that a run writes."""
    return write(model, Metadata("tiny", labels=labels, preprocessing=MINUS_ONE_TO_ONE | changes))


def _quantized(scale: float, zero_point: int) -> dict[str, float]:
    return {"scale": scale, "zero_point": zero_point}


def _beta(ending: str) -> dict[str, float]:
    return {"beta": 1.0} if ending == "SOFTMAX" else {}
