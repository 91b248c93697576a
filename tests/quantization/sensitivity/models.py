"""Small float models whose sensitivity can be told beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.class_scores import Scores
from pipeline.tasks.classification import Classification
from pipeline.tflite.endings import endings
from pipeline.tflite.runner import Runner
from tests.tiny_models import Graph

Weights = NDArray[Any]
FEATURES = 6


def weights(*shape: int, seed: int = 0) -> Weights:
    """float32, uniform in −1..1."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def examples(count: int = 13) -> NDArray[np.float32]:
    """float32 [count, FEATURES] in −1..1."""
    return weights(count, FEATURES, seed=9)


def chain(*layers: Weights, ending: str | None = None, every_output: bool = False, open_batch: bool = True) -> bytes:
    """x [B, F] → `dense_0` → `dense_1` → …, each · weightsᵀ, weights [C, F]; the same array is one shared constant.

    Args:
        layers: Weights of each.
        ending: SOFTMAX or LOGISTIC after them, as `end`.
        every_output: Every layer is an output of the model.
        open_batch: Otherwise x is [1, F/2, 2] and a RESHAPE makes [1, F] of it, which fixes the batch.
    """
    graph, constants = Graph(), {}
    features = layers[0].shape[1]

    def activation(name: str, *shape: int) -> int:
        return graph.tensor(name, [1, *shape], open_batch=open_batch)

    y = x = activation("x", features) if open_batch else activation("x", features // 2, 2)
    if not open_batch:
        y = activation("flat", features)
        shape = graph.tensor("shape", [2], "int32", data=np.array([1, features]))
        graph.operator("RESHAPE", [x, shape], [y], "ReshapeOptions", newShape=[1, features])
    made = []
    for place, layer in enumerate(layers):
        if id(layer) not in constants:
            constants[id(layer)] = graph.tensor(f"dense_{place}/weights", list(layer.shape), data=layer)
        before, y = y, activation(f"dense_{place}", len(layer))
        graph.operator("FULLY_CONNECTED", [before, constants[id(layer)], -1], [y], "FullyConnectedOptions")
        made.append(y)
    if ending is not None:
        before, y = y, activation("end", len(layers[-1]))
        options: dict[str, Any] = {"options": "SoftmaxOptions", "beta": 1.0} if ending == "SOFTMAX" else {}
        graph.operator(ending, [before], [y], **options)
    return graph.build([x], made if every_output else [y])


def classifier(content: bytes) -> Classification:
    """The task of a model whose one output holds scores."""
    [output] = Runner(content).signature.outputs
    endings_: dict[str, Scores] = {"softmax": "softmax", "sigmoid": "sigmoid", "none": "logits"}
    return Classification(output=output, scores=endings_[endings(content)[output.name]])


def digits() -> bytes:
    """float32 [B, 8, 8, 1] → RESHAPE → `hidden` [B, 12] → `scores` [B, 10] → SOFTMAX.

    The weights of `hidden` for the first pixel, which is black in every digit, are so large that int8 has no step left
    for the others.
    """
    first, second = weights(12, 64), weights(10, 12, seed=1)
    first[:, 0] = 1000
    graph = Graph()
    x = graph.tensor("x", [1, 8, 8, 1], open_batch=True)
    shape = graph.tensor("shape", [2], "int32", data=np.array([-1, 64]))
    flat = graph.tensor("flat", [1, 64], open_batch=True)
    hidden = graph.tensor("hidden", [1, 12], open_batch=True)
    scores = graph.tensor("scores", [1, 10], open_batch=True)
    end = graph.tensor("end", [1, 10], open_batch=True)
    graph.operator("RESHAPE", [x, shape], [flat], "ReshapeOptions", newShape=[-1, 64])
    first_, second_ = (graph.tensor(f"w{w.shape}", list(w.shape), data=w) for w in (first, second))
    graph.operator("FULLY_CONNECTED", [flat, first_, -1], [hidden], "FullyConnectedOptions")
    graph.operator("FULLY_CONNECTED", [hidden, second_, -1], [scores], "FullyConnectedOptions")
    graph.operator("SOFTMAX", [scores], [end], "SoftmaxOptions", beta=1.0)
    return graph.build([x], [end])
