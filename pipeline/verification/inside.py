"""Look inside a rung: the first activation that diverges from the rung above beyond tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.fidelity import Noise
from pipeline.progress import Track, quiet
from pipeline.tensors import Batch, Tensors, TensorSpec
from pipeline.tflite.activations import Activation, Activations
from pipeline.tflite.match import matched
from pipeline.tflite.operator_names import short_names


class Tapped(Protocol):
    """A model that gives all its activations for one example."""

    @property
    def listed(self) -> Sequence[Activation]:
        """What they are, the inputs first."""

    @property
    def specs(self) -> Sequence[TensorSpec]:
        """Their types and scales, in that order."""

    def __call__(self, example: Tensors) -> list[NDArray[Any]]:
        """Their stored values for one example, by input name and without the batch, in that order: [1, ...] each."""


@dataclass(frozen=True)
class TensorGap:
    """How one activation differs between two rungs."""

    tensor: str
    short: str
    """By the layer, as tables show it."""
    operator: str
    index: int
    """The operator's place in the lower file; −1 for an input of the model."""
    sqnr_db: float
    """10·log10(Σ upper² / Σ (upper − lower)²); infinite where they are the same."""
    added: float
    """Noise that its own operator adds, as a share of the activation's energy: its own share minus the largest among
    what it reads; at least 0. An input, which is only rounded, adds none."""
    max_lsb: int | None
    """Largest difference in steps; None unless both hold integers of the same scale."""
    rms_lsb: float | None
    """Root mean square error in the lower's steps; rounding alone gives 0.29. None where the lower holds floats."""

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {
            "sqnr_db": self.sqnr_db if math.isfinite(self.sqnr_db) else None,
            "added": self.added if math.isfinite(self.added) else None,
        }


@dataclass(frozen=True)
class Inside:
    """What a look inside a rung showed."""

    rung: str
    above: str
    examples: int
    unmatched: int
    """Activations of the lower file that the upper one does not have."""
    tolerance: str
    tensors: tuple[TensorGap, ...]
    """In the order they are computed."""
    first: TensorGap | None
    """The first beyond tolerance; None where none is."""

    @property
    def steepest(self) -> TensorGap | None:
        """Where a single operator adds most noise; None where none adds any."""
        noisy = [gap for gap in self.tensors if gap.added > 0]
        return max(noisy, key=lambda gap: gap.added, default=None)

    def to_json(self) -> dict[str, Any]:
        return {
            "rung": self.rung,
            "above": self.above,
            "examples": self.examples,
            "unmatched": self.unmatched,
            "tolerance": self.tolerance,
            "first": self.first.to_json() if self.first else None,
            "steepest": self.steepest.to_json() if self.steepest else None,
            "tensors": [gap.to_json() for gap in self.tensors],
        }


def look_inside(
    rung: str,
    above: str,
    upper: Tapped,
    lower: Activations,
    examples: Iterable[Tensors],
    *,
    sqnr_db: float,
    lsb: int,
    track: Track = quiet,
) -> Inside:
    """Compare the activations of two rungs, one example at a time.

    Args:
        rung: The lower rung's name.
        above: The upper one's.
        upper: Its activations.
        lower: The lower rung's: the same model in another format, or on other kernels.
        examples: One after the other, by input name, [...] each without the batch.
        sqnr_db: Where the scales differ, an activation diverges below this ratio.
        lsb: Where both hold integers of the same scale, it diverges beyond so many steps.
        track: Follows the examples.

    Raises:
        InputError: the models do not take the examples.
        PipelineError: a model fails while it runs.
    """
    pairs = matched(upper.listed, lower.listed)
    gaps = [_Gap(upper.specs[first], lower.specs[second]) for first, second in pairs]
    count = 0
    for example in track(examples, f"looking inside {rung}"):
        values, others = upper(example), lower(example)
        for gap, (first, second) in zip(gaps, pairs, strict=True):
            gap.add(values[first], others[second])
        count += 1
    tensors = _tensors(lower.listed, pairs, gaps)
    # Steps say more than ratios where they can be counted.
    diverged = [gap for gap in tensors if (gap.max_lsb > lsb if gap.max_lsb is not None else gap.sqnr_db < sqnr_db)]
    in_steps = any(gap.max_lsb is not None for gap in tensors)
    return Inside(
        rung=rung,
        above=above,
        examples=count,
        unmatched=len(lower.listed) - len(pairs),
        tolerance=f"{lsb} LSB" if in_steps else f"{sqnr_db:g} dB",
        tensors=tensors,
        first=diverged[0] if diverged else None,
    )


def single_examples(batches: Iterable[Batch], count: int) -> Iterator[dict[str, NDArray[Any]]]:
    """The first so many examples of a stream, one after the other, by input name and without the batch."""
    places = ((batch.inputs, place) for batch in batches for place in range(len(batch)))
    return islice(({name: array[place] for name, array in inputs.items()} for inputs, place in places), count)


class _Gap:
    """Sums up one activation's differences."""

    def __init__(self, upper: TensorSpec, lower: TensorSpec) -> None:
        self._upper, self._lower = upper, lower
        self._same = upper.scale is not None and upper.same_steps(lower)
        self.noise = Noise()
        self._squares, self._values = 0.0, 0
        self._most = 0

    def add(self, upper: NDArray[Any], lower: NDArray[Any]) -> None:
        expected, found = _real(self._upper, upper), _real(self._lower, lower)
        self.noise.add(expected, found)
        self._squares += float(np.square(expected - found, dtype=np.float64).sum())
        self._values += found.size
        if self._same:
            self._most = max(self._most, int(np.abs(upper.astype(np.int64) - lower.astype(np.int64)).max(initial=0)))

    @property
    def max_lsb(self) -> int | None:
        return self._most if self._same else None

    @property
    def rms_lsb(self) -> float | None:
        if self._lower.scale is None or not self._values:
            return None
        return math.sqrt(self._squares / self._values) / self._lower.scale


def _real(spec: TensorSpec, stored: NDArray[Any]) -> NDArray[Any]:
    """Integers and booleans without a scale (token ids, flags) stand for themselves, exactly."""
    real = spec.dequantize(stored)
    return real if real.dtype.kind == "f" else real.astype(np.float64)


def _tensors(listed: tuple[Activation, ...], pairs: list[tuple[int, int]], gaps: list[_Gap]) -> tuple[TensorGap, ...]:
    shares = {listed[second].name: _share(gap.noise.sqnr_db) for gap, (_, second) in zip(gaps, pairs, strict=True)}
    producers = {activation.name: activation for activation in listed}
    shorts = short_names([(activation.name, activation.operator) for activation in listed])
    found = []
    for gap, (_, second) in zip(gaps, pairs, strict=True):
        own = listed[second]
        before = max((_before(source, shares, producers) for source in own.sources), default=math.inf)
        found.append(
            TensorGap(
                tensor=own.name,
                short=shorts[second],
                operator=own.operator,
                index=own.index,
                sqnr_db=gap.noise.sqnr_db,
                added=max(0.0, shares[own.name] - before) if own.sources else 0.0,
                max_lsb=gap.max_lsb,
                rms_lsb=gap.rms_lsb,
            )
        )
    return tuple(found)


def _share(sqnr_db: float) -> float:
    """Noise by signal, in energy."""
    return 10 ** (-sqnr_db / 10) if sqnr_db > -_LOST_DB else 10 ** (_LOST_DB / 10)


_LOST_DB = 300.0
"""A bound for what has no signal."""


def _before(name: str, shares: dict[str, float], producers: dict[str, Activation]) -> float:
    """An activation's share, or that of what it was made from where the upper file does not have it."""
    if name in shares:
        return shares[name]
    sources = producers[name].sources if name in producers else ()
    return max((_before(source, shares, producers) for source in sources), default=0.0)
