"""Measure activation ranges on a representative dataset.

A "tapped" copy of the float flatbuffer has every activation among its outputs and runs under XNNPACK, with threads
and small batches: several times as fast as an interpreter that keeps all tensors, which cannot use XNNPACK.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantize.ranges import Ranges, holding_zero
from pipeline.tflite.flatbuffer import read, serialize, tensor_name
from pipeline.tflite.runner import Runner

BATCH = 4
"""Examples a run; more lose to the cache."""


def calibrate(
    content: bytes,
    inputs: Iterable[np.ndarray],
    *,
    examples: int | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> Ranges:
    """Smallest and largest value of every float activation over the representative dataset.

    The input's range is widened so that zero is one of its steps (`ranges.holding_zero`).

    Args:
        content: A float .tflite file's content; one input.
        inputs: float32 [B, ...] batches, preprocessed as the model expects them; streamed, one held at a time.
        examples: How many there will be, for the progress bar.
        threads: Interpreter threads.

    Raises:
        InputError: no examples at all, an input that is not finite, or an activation that becomes so.
    """
    names, tapped = tap(content)
    runners = _Runners(tapped, threads)
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    entry_low, entry_high = np.inf, -np.inf
    seen = 0
    for piece in track(_pieces(inputs, runners.batch), "calibrating", examples and -(-examples // runners.batch)):
        if not np.isfinite(piece).all():
            raise InputError(
                f"The representative dataset holds NaN or infinite values (among examples {seen} to "
                f"{seen + len(piece) - 1}): no range can be measured on it. Check the data and its preprocessing."
            )
        entry_low, entry_high = min(entry_low, float(piece.min())), max(entry_high, float(piece.max()))
        for index, values in enumerate(runners.of(len(piece)).run(piece)):
            low[index], high[index] = min(low[index], values.min()), max(high[index], values.max())
            if not (np.isfinite(low[index]) and np.isfinite(high[index])):
                raise InputError(
                    f"The activation '{names[index]}' becomes NaN or infinite on the representative dataset "
                    f"(among examples {seen} to {seen + len(piece) - 1}): check the weights and the preprocessing."
                )
        seen += len(piece)
    if not seen:
        raise InputError("The representative dataset is empty: give at least one example, better some hundred.")
    measured = {name: (float(low[index]), float(high[index])) for index, name in enumerate(names)}
    return Ranges({runners.entry: holding_zero(entry_low, entry_high), **measured}, f"min-max of {seen} examples")


def tap(content: bytes) -> tuple[list[str], bytes]:
    """A copy of the model whose outputs are all its float activations.

    Returns:
        The activations' names in the order of the copy's outputs, and the copy.
    """
    model = read(content)
    graph = model.subgraphs[0]
    made = {int(output) for operator in graph.operators for output in operator.outputs}
    indices = sorted(index for index in made if graph.tensors[index].type == schema.TensorType.FLOAT32)
    graph.outputs = np.array(indices, np.int32)
    model.signatureDefs = []
    return [tensor_name(graph.tensors[index]) for index in indices], serialize(model)


class _Runners:
    """The tapped model at the batch sizes that come up: BATCH where the graph allows it, and 1 for what is left."""

    def __init__(self, tapped: bytes, threads: int) -> None:
        self._single = Runner(tapped, threads=threads)
        if len(self._single.inputs) != 1:
            raise InputError(
                f"The model has {len(self._single.inputs)} inputs; a representative dataset feeds models with one."
            )
        self.entry = self._single.inputs[0].name
        try:
            self._several = Runner(tapped, threads=threads, batch=BATCH)
            self.batch = BATCH
        except InputError:  # the graph fixes the batch, or folds it into another dimension
            self._several, self.batch = self._single, self._single.inputs[0].shape[0]

    def of(self, examples: int) -> Runner:
        return self._several if examples == self.batch else self._single


def _pieces(inputs: Iterable[np.ndarray], batch: int) -> Iterator[np.ndarray]:
    for array in inputs:
        whole = len(array) - len(array) % batch
        for start in range(0, whole, batch):
            yield array[start : start + batch]
        for start in range(whole, len(array)):
            yield array[start : start + 1]
