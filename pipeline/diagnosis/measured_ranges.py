"""Every activation's values for single examples, and the ranges they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import Array, Batch, Tensors
from pipeline.tflite.activations import Activations

PARTS = 8
"""Parts of the calibration examples whose ranges are kept apart: enough for three doublings."""


class FloatActivations:
    """A float model that gives its float32 inputs and all of its float32 activations; :func:`tap` makes one.

    Args:
        run: The model.
        places: Those of the inputs and activations among what it gives.
    """

    def __init__(self, run: Activations, places: Sequence[int]) -> None:
        self._run, self._places = run, places
        self.names = tuple(run.listed[place].name for place in places)
        self.inputs = sum(run.listed[place].index < 0 for place in places)
        """How many of the names, from the first, are inputs."""

    def __call__(self, example: Tensors) -> list[Array]:
        """The values for one example, in the order of `names`.

        Args:
            example: By input name, [...] without the batch.
        """
        values = self._run(example)
        return [values[place] for place in self._places]


def tap(content: bytes) -> FloatActivations | None:
    """The model with all activations that depend on its inputs.

    Returns:
        None for a quantized model: its activations show the ranges it was calibrated with, not those of the data.
    """
    run = Activations(content, "xnnpack")
    if any(spec.scale is not None for spec in run.specs):
        return None
    places = [place for place, spec in enumerate(run.specs) if spec.dtype == np.float32]
    if all(run.listed[place].index < 0 for place in places):
        return None
    return FloatActivations(run, places)


@dataclass(frozen=True, eq=False)
class Measured:
    """Ranges over some examples. A is the number of activations, the inputs included."""

    names: tuple[str, ...]
    examples: int
    inputs: int
    """How many of the names, from the first, are inputs."""
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


def each_example(batch: Batch) -> Iterator[Tensors]:
    """The inputs of each example of a batch, without the batch."""
    for place in range(len(batch)):
        yield {name: array[place] for name, array in batch.inputs.items()}


def measure(tapped: FloatActivations, batches: Iterable[Batch]) -> Measured:
    """The ranges of all activations, in running extremes."""
    low = np.full((PARTS, len(tapped.names)), np.inf)
    high = np.full((PARTS, len(tapped.names)), -np.inf)
    count = 0
    for batch in batches:
        for example in each_example(batch):
            values = tapped(example)
            part = count % PARTS
            low[part] = np.minimum(low[part], [value.min() for value in values])  # NaN stays NaN
            high[part] = np.maximum(high[part], [value.max() for value in values])
            count += 1
    used = min(count, PARTS)
    return Measured(tapped.names, count, tapped.inputs, low[:used], high[:used])


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


def outside(tapped: FloatActivations, ranges: Measured, batches: Iterable[Batch]) -> Outside:
    """Count what falls outside the ranges that calibration measured."""
    low, high = ranges.ends
    names = tapped.names
    own_low, own_high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    below, above, share = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64), np.zeros(len(names))
    count = 0
    for batch in batches:
        for example in each_example(batch):
            for index, value in enumerate(tapped(example)):
                least, most = float(value.min()), float(value.max())
                own_low[index], own_high[index] = min(own_low[index], least), max(own_high[index], most)
                if least < low[index] or most > high[index]:
                    below[index] += least < low[index]
                    above[index] += most > high[index]
                    share[index] += np.mean((value < low[index]) | (value > high[index]))
            count += 1
    own = Measured(names, count, tapped.inputs, own_low[None], own_high[None])
    return Outside(own, below, above, share / max(count, 1))
