"""Every activation's values for single examples, and the ranges they take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.data import Batch
from pipeline.errors import InputError
from pipeline.tensors import Array
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner

PARTS = 8
"""Parts of the calibration examples whose ranges are kept apart: enough for three doublings."""


class Tapped:
    """A float model that gives its input and all of its activations; :func:`tap` makes one.

    Args:
        names: The activations', in the order of the outputs.
        content: The .tflite file's content whose outputs they are.
        threads: Interpreter threads.
    """

    def __init__(self, names: list[str], content: bytes, threads: int) -> None:
        try:
            self._runner = Runner(content, threads=threads, batch=1)
        except InputError:  # the graph fixes another batch
            self._runner = Runner(content, threads=threads)
        self.names = (self._runner.inputs[0].name, *names)

    def __call__(self, example: NDArray[np.float32]) -> list[Array]:
        """The values for one example [...], in the order of `names`: the input first."""
        # Where the batch is fixed, it is filled with the same example: extremes and shares stay what they are.
        x = np.repeat(example[None], self._runner.inputs[0].shape[0], axis=0)
        return [example, *self._runner.run(x)]


def tap(content: bytes, threads: int = 2) -> Tapped | None:
    """The model with all activations that depend on its input among its outputs.

    Returns:
        None for a quantized model: its activations show the ranges it was calibrated with, not those of the data.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    reached = set(graph.inputs)
    for operator in graph.operators:
        if reached & set(operator.inputs):
            reached |= set(operator.outputs)
    floats = [
        index for index in sorted(reached - set(graph.inputs)) if graph.tensors[index].type == schema.TensorType.FLOAT32
    ]
    if not floats or any(flatbuffer.quantization(graph.tensors[index]) is not None for index in reached):
        return None
    graph.outputs = floats
    model.signatureDefs = []
    return Tapped(
        [flatbuffer.tensor_name(graph.tensors[index]) for index in floats], flatbuffer.serialize(model), threads
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """Ranges over some examples. A is the number of activations, the input included."""

    names: tuple[str, ...]
    examples: int
    low: NDArray[np.float64]
    """[parts, A]: the examples dealt out in turn to at most PARTS parts."""
    high: NDArray[np.float64]

    @property
    def finite(self) -> NDArray[np.bool_]:
        """[A]: whether no value was NaN or infinite."""
        finite: NDArray[np.bool_] = np.all(np.isfinite(self.low) & np.isfinite(self.high), axis=0)
        return finite

    @property
    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The smallest and the largest value, [A] each."""
        return self.low.min(axis=0), self.high.max(axis=0)

    @property
    def width(self) -> NDArray[np.float64]:
        """[A]."""
        low, high = self.ends
        return high - low

    def width_of(self, parts: int) -> NDArray[np.float64]:
        """The width over so many of the parts, on average over all ways to choose them, [A]."""
        widths = [
            self.high[list(chosen)].max(axis=0) - self.low[list(chosen)].min(axis=0)
            for chosen in combinations(range(len(self.low)), parts)
        ]
        mean: NDArray[np.float64] = np.mean(widths, axis=0)
        return mean


def short(name: str) -> str:
    """An activation's name as a message shows it: of those of fused operators the first."""
    return name.split(";")[0]


def measure(tapped: Tapped, batches: Iterable[Batch]) -> Measured:
    """The ranges of all activations, in running extremes."""
    low = np.full((PARTS, len(tapped.names)), np.inf)
    high = np.full((PARTS, len(tapped.names)), -np.inf)
    count = 0
    for batch in batches:
        for example in batch.x:
            values = tapped(example)
            part = count % PARTS
            low[part] = np.minimum(low[part], [value.min() for value in values])  # NaN stays NaN
            high[part] = np.maximum(high[part], [value.max() for value in values])
            count += 1
    used = min(count, PARTS)
    return Measured(tapped.names, count, low[:used], high[:used])


@dataclass(frozen=True, eq=False)
class Outside:
    """How other examples fit into measured ranges; [A] each."""

    measured: Measured
    """The other examples' own ranges."""
    below: NDArray[np.int64]
    """Examples with a value below the range."""
    above: NDArray[np.int64]
    share: NDArray[np.float64]
    """Share of the values that are outside, 0..1."""

    @property
    def examples(self) -> int:
        return self.measured.examples


def outside(tapped: Tapped, ranges: Measured, batches: Iterable[Batch]) -> Outside:
    """Count what falls outside the ranges that calibration measured."""
    low, high = ranges.ends
    names = tapped.names
    own_low, own_high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    below, above, share = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64), np.zeros(len(names))
    count = 0
    for batch in batches:
        for example in batch.x:
            for index, value in enumerate(tapped(example)):
                least, most = float(value.min()), float(value.max())
                own_low[index], own_high[index] = min(own_low[index], least), max(own_high[index], most)
                if least < low[index] or most > high[index]:
                    below[index] += least < low[index]
                    above[index] += most > high[index]
                    share[index] += np.mean((value < low[index]) | (value > high[index]))
            count += 1
    own = Measured(names, count, own_low[None], own_high[None])
    return Outside(own, below, above, share / max(count, 1))
