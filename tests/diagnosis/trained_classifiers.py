"""Classifiers that know their data and were trained on a scale of choice, as flatbuffers, without TensorFlow."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.recipe import Data, Preprocess
from tests import tiny_models

SCALES = {
    "raw": lambda pixels: pixels,
    "0..1": lambda pixels: pixels / 255,
    "-1..1": lambda pixels: pixels / 127.5 - 1,
}


@cache
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """scikit-learn's digits, uint8 [1797, 8, 8, 1] from 0 to 255, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.round(found.images * (255 / 16)).astype(np.uint8)[..., None], found.target.astype(np.int64)


def colours(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise in which red (class 0), green (1) or blue (2) is the brightest; uint8 [count, 8, 8, 3]."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, count)
    x = random.integers(0, 200, (count, 8, 8, 3))
    x[np.arange(count), :, :, y] += 55
    return x.astype(np.uint8), y


def trained(x: NDArray[Any], y: NDArray[np.int64], scale: str) -> bytes:
    """A classifier fitted (ridge regression behind a sigmoid) to pixels on this scale: [B, H, W, C] → [B, classes].

    Without the sigmoid it would not mind another scale: all its scores would grow alike.
    """
    inputs = 1 / (1 + np.exp(-SCALES[scale](x.reshape(len(x), -1).astype(np.float64))))
    targets = np.eye(int(y.max()) + 1)[y]
    centre, spread = inputs.mean(axis=0), inputs.std() or 1.0
    normal = (inputs - centre) / spread
    weights = np.linalg.solve(normal.T @ normal + np.eye(inputs.shape[1]), normal.T @ (targets - targets.mean(axis=0)))
    sharp = 10 * weights.T / spread
    return classifier(x.shape[1:], sharp, 10 * targets.mean(axis=0) - sharp @ centre)


def classifier(shape: tuple[int, ...], weights: NDArray[Any], bias: NDArray[Any]) -> bytes:
    """float32 [B, *shape] → sigmoid, flattened → · weightsᵀ + bias → softmax; weights [classes, features]."""
    classes, features = weights.shape
    graph = tiny_models.Graph()
    x = graph.tensor("x", [1, *shape], open_batch=True)
    sizes = graph.tensor("shape", [2], "int32", data=np.array([-1, features]))
    soft = graph.tensor("sigmoid", [1, *shape], open_batch=True)
    flat = graph.tensor("flat", [1, features], open_batch=True)
    w = graph.tensor("w", [classes, features], data=weights)
    b = graph.tensor("b", [classes], data=bias)
    y = graph.tensor("logits", [1, classes], open_batch=True)
    end = graph.tensor("end", [1, classes], open_batch=True)
    graph.operator("LOGISTIC", [x], [soft])
    graph.operator("RESHAPE", [soft, sizes], [flat], "ReshapeOptions", newShape=[-1, features])
    graph.operator("FULLY_CONNECTED", [flat, w, b], [y], "FullyConnectedOptions")
    graph.operator("SOFTMAX", [y], [end], "SoftmaxOptions", beta=1.0)
    return graph.build([x], [end])


def stored(folder: Path, **splits: tuple[NDArray[Any], NDArray[np.int64]]) -> Path:
    """An NPZ file with these splits, each (x, y)."""
    path = folder / "data.npz"
    arrays = {f"{name}_{split}": pair[index] for split, pair in splits.items() for index, name in enumerate("xy")}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def data(path: Path, scale: str = "raw", **keys: Any) -> Data:
    """A recipe's section for such a file."""
    return Data(source="npz", path=path, preprocess=Preprocess(scale=scale, **keys))
