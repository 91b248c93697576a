"""Where two sets of ranges of one model part."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.quantization.ranges import Ranges


@dataclass(frozen=True)
class Difference:
    """One tensor's two ranges, in real units; None where one of the two does not know it."""

    tensor: str
    first: tuple[float, float] | None
    second: tuple[float, float] | None

    @property
    def ratio(self) -> float | None:
        """The second's width as a share of the first's: how many times coarser its steps are."""
        if self.first is None or self.second is None:
            return None
        first, second = (high - low for low, high in (self.first, self.second))
        return second / first if first else (1.0 if second == first else math.inf)

    @property
    def apart(self) -> float:
        """By what factor the wider range exceeds what both share; 1 where they are equal, infinite without overlap."""
        if self.first is None or self.second is None:
            return math.inf
        low, high = max(self.first[0], self.second[0]), min(self.first[1], self.second[1])
        widest = max(self.first[1], self.second[1]) - min(self.first[0], self.second[0])
        if widest == 0:
            return 1.0
        return widest / (high - low) if high > low else math.inf

    def to_json(self) -> dict[str, Any]:
        ratio = self.ratio
        return {**asdict(self), "ratio": ratio if ratio is None or math.isfinite(ratio) else None}


def compare(first: Ranges, second: Ranges) -> tuple[Difference, ...]:
    """Every tensor that either knows, the farthest apart first; equal ones are there too.

    Raises:
        InputError: they have no tensor in common.
    """
    if first.keys().isdisjoint(second.keys()):
        raise InputError("The two have no tensor in common: they are ranges of different models.")
    found = [Difference(name, first.get(name), second.get(name)) for name in {**first.pairs, **second.pairs}]
    return tuple(sorted(found, key=lambda difference: -difference.apart))
