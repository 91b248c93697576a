"""A vector for each example, near those of the same class: retrieval and verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.single_output import SingleOutputTask, check_count, check_numbers, without_ones
from pipeline.tasks.task import Metric
from pipeline.tensors import Tensors, TensorSpec, show_shape

RECALL = Metric("recall1", "recall@1", "%")
VERIFICATION = Metric("verification", "verification", "%")
_CHUNK = 512
_STEPS = 20_000
_HIT, _ACCEPTED, _SAME, _REJECTED, _OTHER = range(5)


@dataclass(frozen=True, kw_only=True)
class Embedding(SingleOutputTask):
    """Vectors [B, D], compared by their cosine, and class numbers [B].

    - `recall1`: the share of examples whose nearest other example is of their class (leave-one-out retrieval). An
      example that is alone in its class counts as missed.
    - `verification`: 1 − EER. Of all pairs, those with a cosine of at least a threshold are taken for the same class;
      at the threshold where as many of the same are refused as of others accepted, that share is the equal error rate.

    All examples' vectors are kept; every example is compared with every other.

    Example:
        >>> task = Embedding(output=TensorSpec("v", (-1, 2), np.dtype(np.float32)), target="who")
        >>> vectors = np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
        >>> found = task.finalize(task.statistics({"v": vectors}, {"who": np.array([0, 0, 1, 1])}))
        >>> task.reduce(found)
        {'recall1': 1.0, 'verification': 1.0}
    """

    name = "embedding"

    losses_known = ("triplet",)

    def _metrics(self) -> tuple[Metric, ...]:
        return RECALL, VERIFICATION

    def _check_output(self, output: TensorSpec) -> None:
        if len(without_ones(output.shape[1:])) != 1:
            raise InputError(
                f"An embedding is one vector for each example, [batch, size], and the model's output '{output.name}' "
                f"is {show_shape(output.shape)}. Name the output that holds it, or another task."
            )

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if without_ones(target.shape[1:]) or target.dtype.kind not in "iub":
            raise InputError(
                f"Embeddings are judged by a class number for each example, [batch], and the target '{target.name}' is "
                f"{target.dtype} {show_shape(target.shape)}. Name the target that holds the classes."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float64]:
        """[B, D + 1]: the class number, and the vector at length 1."""
        vectors = self._unit(outputs)
        check_numbers(vectors, self.output.name, finite=True)
        classes = self._classes(targets)
        check_count(classes, len(vectors), "the class numbers")
        return np.concatenate([classes[:, None], vectors], axis=1)

    def _classes(self, targets: Tensors) -> NDArray[Any]:
        classes = self._read_target(targets)
        if classes.dtype.kind not in "iub" or classes.size != len(classes):
            raise InputError(
                f"The target '{self.target}' holds {classes.dtype} {show_shape(classes.shape)}; embeddings are judged "
                "by a class number for each example."
            )
        return classes.reshape(-1)

    def _unit(self, outputs: Tensors) -> NDArray[np.float64]:
        vectors = self._read(outputs)
        flat = vectors.reshape(len(vectors), -1).astype(np.float64)
        lengths = np.linalg.norm(flat, axis=1, keepdims=True)
        return flat / np.where(lengths > 0, lengths, 1)

    def finalize(self, statistics: NDArray[Any]) -> NDArray[np.float64]:
        """[N, 5]: whether the nearest is of the same class; pairs of the same class, accepted and all; pairs of others,
        refused and all."""
        classes = statistics[:, 0]
        threshold = _equal_error_threshold(statistics)
        found = np.zeros((len(statistics), 5))
        for rows, cosines in _cosines(statistics):
            same = classes[rows, None] == classes[None]
            itself = np.arange(len(same)) + rows.start
            cosines[np.arange(len(same)), itself] = -np.inf
            accepted = cosines >= threshold
            found[rows, _HIT] = same[np.arange(len(same)), cosines.argmax(axis=1)]
            same[np.arange(len(same)), itself] = False
            found[rows, _ACCEPTED] = (accepted & same).sum(axis=1)
            found[rows, _SAME] = same.sum(axis=1)
            found[rows, _OTHER] = len(classes) - 1 - same.sum(axis=1)
            found[rows, _REJECTED] = found[rows, _OTHER] - (accepted & ~same).sum(axis=1)
        found[found[:, _SAME] == 0, _HIT] = 0  # alone in its class: of one example, it would be its own neighbour
        return found

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        if statistics.shape[1:] != (5,):
            raise PipelineError("Embeddings are judged all at once: call finalize over all statistics before reduce.")
        _, accepted, same, rejected, other = statistics.sum(axis=0)
        right = (accepted / same + rejected / other) / 2 if same and other else float("nan")
        return {"recall1": float(statistics[:, _HIT].mean()), "verification": float(right)}

    def hits(self, statistics: NDArray[Any]) -> NDArray[np.bool_] | None:
        return None if self.metric == "verification" else statistics[:, _HIT] > 0

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """The cosine of both vectors, 0 where it is negative or a vector is not finite."""
        first, second = self._read(reference), self._read(other)
        cosines = np.sum(self._unit(reference) * self._unit(other), axis=1)
        zeros = ~np.any(first.reshape(len(first), -1), axis=1) & ~np.any(second.reshape(len(second), -1), axis=1)
        clipped: NDArray[np.float64] = np.clip(np.nan_to_num(np.where(zeros, 1.0, cosines), nan=0.0), 0, 1)
        return clipped

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        return {self.output.name: self._classes(targets).astype(np.int32)}


def _cosines(statistics: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Some rows of the matrix of all cosines at a time."""
    vectors = statistics[:, 1:]
    for start in range(0, len(vectors), _CHUNK):
        rows = slice(start, min(start + _CHUNK, len(vectors)))
        yield rows, vectors[rows] @ vectors.T


def _equal_error_threshold(statistics: NDArray[Any]) -> float:
    """The cosine at which both errors are nearest to each other, to 1/10,000; in the middle of a gap between both."""
    classes = statistics[:, 0]
    edges = np.linspace(-1, 1, _STEPS + 1)
    same_counts, other_counts = np.zeros(_STEPS), np.zeros(_STEPS)
    for rows, cosines in _cosines(statistics):
        same = classes[rows, None] == classes[None]
        away = np.arange(len(classes))[None] != np.arange(rows.start, rows.stop)[:, None]
        clipped = np.clip(cosines, -1, 1)
        same_counts += np.histogram(clipped[same & away], edges)[0]
        other_counts += np.histogram(clipped[~same], edges)[0]
    refused = np.append(0, np.cumsum(same_counts)) / max(same_counts.sum(), 1)
    accepted = 1 - np.append(0, np.cumsum(other_counts)) / max(other_counts.sum(), 1)
    gap = np.abs(refused - accepted)
    nearest = np.flatnonzero(gap <= gap.min() + 1e-12)
    return float(edges[nearest[len(nearest) // 2]])
