"""How the outputs of one rung differ from those of another, summed over a stream of batches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.evaluation.fidelity import Noise
from pipeline.evaluation.statistics import Difference
from pipeline.verification.rung import Outputs


@dataclass(frozen=True)
class Comparison:
    """A rung against another one, on the same examples."""

    against: str
    agreement: float
    """Share of examples with the same top-1 answer."""
    difference: Difference
    """Top-1 minus the other's, paired over the examples (Tango)."""
    max_lsb: int | None
    """Largest difference in steps of the scale; None unless both give integers of the same scale."""
    differing: float
    """Share of output values that differ at all."""
    sqnr_db: float
    """10·log10(Σ other² / Σ (other − own)²) over the dequantized outputs; infinite where they are the same."""

    def to_json(self) -> dict[str, Any]:
        """An infinite ratio is None; `identical` tells the two apart."""
        return {
            "against": self.against,
            "agreement": self.agreement,
            "difference": self.difference.to_json(),
            "max_lsb": self.max_lsb,
            "differing": self.differing,
            "identical": self.differing == 0,
            "sqnr_db": self.sqnr_db if math.isfinite(self.sqnr_db) else None,
        }


class Distance:
    """Sums up the differences of two rungs' outputs."""

    def __init__(self) -> None:
        self._noise = Noise()
        self._values = self._differing = 0
        self._lsb: int | None = None

    def add(self, own: Outputs, other: Outputs) -> None:
        """Outputs for the same examples: the rung's and those it is held against."""
        scores, expected = own.scores, other.scores
        self._noise.add(expected, scores)
        self._values += scores.size
        self._differing += int(np.count_nonzero(scores != expected))
        if own.comparable(other):
            steps = np.abs(own.stored.astype(np.int64) - other.stored.astype(np.int64))
            self._lsb = max(self._lsb or 0, int(steps.max(initial=0)))

    @property
    def max_lsb(self) -> int | None:
        return self._lsb

    @property
    def differing(self) -> float:
        return self._differing / max(self._values, 1)

    @property
    def sqnr_db(self) -> float:
        return self._noise.sqnr_db
