"""How near one model's outputs are to another's; needs no labels and holds for every model.

`sqnr_db` is the signal to quantization noise ratio everywhere in this project: 10·log10(Σ expected² / Σ (expected −
found)²).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.statistics import finite_or_none
from pipeline.tensors import Outputs

_SMALL = 1e-30


class Noise:
    """Signal, noise and direction of all the values added so far."""

    def __init__(self) -> None:
        self._signal = self._found = self._noise = self._product = 0.0

    def add(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        """Real values of any shape, and those that stand in their place."""
        if expected.dtype.kind != "f" or found.dtype.kind != "f":
            expected, found = expected.astype(np.float64), found.astype(np.float64)
        self._signal += _dot(expected, expected)
        self._found += _dot(found, found)
        self._product += _dot(expected, found)
        with np.errstate(over="ignore", invalid="ignore"):
            difference = expected - found
        self._noise += _dot(difference, difference)

    @property
    def finite(self) -> bool:
        """Whether no NaN or infinity was among them."""
        return math.isfinite(self._signal) and math.isfinite(self._found)

    @property
    def sqnr_db(self) -> float:
        """Infinite without noise; −infinite without signal, or where the noise is not finite."""
        if self._noise == 0:
            return math.inf
        if self._signal == 0 or not math.isfinite(self._noise):
            return -math.inf
        return 10 * math.log10(self._signal / self._noise)

    @property
    def cosine(self) -> float:
        """Σ expected·found / (|expected|·|found|), −1..1; 1 where both are all zeros, 0 where one is.

        0 too where a value is not finite.
        """
        if not self.finite:
            return 0.0
        lengths = math.sqrt(self._signal) * math.sqrt(self._found)
        if lengths == 0:
            return 1.0 if self._signal == self._found else 0.0
        return max(-1.0, min(1.0, self._product / lengths))


def _dot(first: NDArray[Any], second: NDArray[Any]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        value = float(np.vdot(first, second))
    # float32 is several times as fast; its squares overflow at values around 1e18 and vanish around 1e-20.
    if _SMALL < abs(value) < math.inf:
        return value
    with np.errstate(invalid="ignore"):
        return float(np.vdot(first.astype(np.float64), second.astype(np.float64)))


@dataclass(frozen=True)
class OutputFidelity:
    """One output beside the same output of another model, over all examples."""

    sqnr_db: float
    cosine: float
    max_lsb: int | None
    """Largest difference in steps of the scale; None unless both hold integers of the same scale."""
    differing: float
    """Share of the values that differ at all, 0..1."""

    @property
    def identical(self) -> bool:
        return self.differing == 0

    def to_json(self) -> dict[str, Any]:
        """An infinite ratio is None; `identical` tells the two apart."""
        return {
            "sqnr_db": finite_or_none(self.sqnr_db),
            "cosine": self.cosine,
            "max_lsb": self.max_lsb,
            "differing": self.differing,
            "identical": self.identical,
        }


class FidelityMeter:
    """Sums up, output by output, how two models' answers to the same examples differ."""

    def __init__(self) -> None:
        self._meters: dict[str, _OutputMeter] = {}

    def add(self, expected: Outputs, found: Outputs) -> None:
        """Answers to the same examples, with the same output names."""
        for name, values in expected.real.items():
            meter = self._meters.setdefault(name, _OutputMeter())
            meter.add(values, found.real[name])
            if expected.specs[name].same_steps(found.specs[name]):
                meter.add_steps(expected.stored[name], found.stored[name])

    def result(self) -> dict[str, OutputFidelity]:
        """By output name; empty before anything was added."""
        return {name: meter.result() for name, meter in self._meters.items()}


class _OutputMeter:
    def __init__(self) -> None:
        self._noise = Noise()
        self._values = self._differing = 0
        self._lsb: int | None = None

    def add(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        self._noise.add(expected, found)
        self._values += expected.size
        self._differing += int(np.count_nonzero(expected != found))

    def add_steps(self, expected: NDArray[Any], found: NDArray[Any]) -> None:
        steps = np.abs(expected.astype(np.int64) - found.astype(np.int64))
        self._lsb = max(self._lsb or 0, int(steps.max(initial=0)))

    def result(self) -> OutputFidelity:
        return OutputFidelity(
            self._noise.sqnr_db, self._noise.cosine, self._lsb, self._differing / max(self._values, 1)
        )


def lowest(fidelity: Mapping[str, OutputFidelity]) -> float:
    """The sqnr_db of the output that is worst off; infinite where there is none."""
    return min((output.sqnr_db for output in fidelity.values()), default=math.inf)
