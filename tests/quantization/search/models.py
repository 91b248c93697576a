"""A run whose model one operator ruins in int8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.quantization.calibrate import calibrate
from pipeline.workflow.run_folder import Run
from tests.tiny_models import Graph

DATA = {"source": "digits", "limit": 400, "calibration": 30, "validation": 0.2, "preprocess": {"scale": "0..1"}}


def run(folder: Path) -> Run:
    """A run without stages to go through again: its float model, prepared and ranges are there.

    `hidden` holds weights of 1000 for a pixel that is black in every digit: int8 has no step left for the others.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    first = np.random.default_rng(0).normal(size=(48, 64))
    hidden = x @ first.T
    second = np.linalg.solve(hidden.T @ hidden + np.eye(48), hidden.T @ (10 * np.eye(10)[y])).T
    first[:, 0] = 1000
    content = _network(first, second)
    made = Run(folder)
    made.describe(recipe={"name": folder.name, "model": {}, "data": DATA, "benchmark": {"runs": 3, "warmup": 1}})
    made.path("float.tflite").write_bytes(content)
    made.path("prepared.tflite").write_bytes(content)
    calibrate(content, [{"x": x[:100].reshape(-1, 8, 8, 1)}]).save(made.path("ranges.json"))
    made.record("flatbuffers", "key", ["float.tflite", "prepared.tflite", "ranges.json"], 0.0)
    return made


def _network(first: np.ndarray, second: np.ndarray) -> bytes:
    """float32 [B, 8, 8, 1] → RESHAPE → `hidden` → `scores` → SOFTMAX."""
    graph = Graph()
    x = graph.tensor("x", [1, 8, 8, 1], open_batch=True)
    shape = graph.tensor("shape", [2], "int32", data=np.array([-1, 64]))
    flat = graph.tensor("flat", [1, 64], open_batch=True)
    hidden = graph.tensor("hidden", [1, len(first)], open_batch=True)
    scores = graph.tensor("scores", [1, len(second)], open_batch=True)
    end = graph.tensor("end", [1, len(second)], open_batch=True)
    graph.operator("RESHAPE", [x, shape], [flat], "ReshapeOptions", newShape=[-1, 64])
    first_, second_ = (graph.tensor(f"w{w.shape}", list(w.shape), data=w) for w in (first, second))
    graph.operator("FULLY_CONNECTED", [flat, first_, -1], [hidden], "FullyConnectedOptions")
    graph.operator("FULLY_CONNECTED", [hidden, second_, -1], [scores], "FullyConnectedOptions")
    graph.operator("SOFTMAX", [scores], [end], "SoftmaxOptions", beta=1.0)
    return graph.build([x], [end])
