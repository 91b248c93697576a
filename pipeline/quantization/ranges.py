"""Activation ranges: what calibration measured or QAT learned, one (min, max) a tensor, kept as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline import limits
from pipeline.errors import InputError
from pipeline.files import check_ordinary, write_text


def holding_zero(low: float, high: float) -> tuple[float, float]:
    """The smallest int8 range around [low, high] in which zero is one of the 256 steps.

    Zero must be exact. Usually the range is shifted to make it so, which for pixels scaled to −1..1 puts every pixel
    halfway between two steps: whoever rounds halves differently answers a step apart, on every pixel. Widened by
    1/254 instead, nothing is clipped and nothing lies halfway.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return low, high
    place = -low / (high - low) * 255
    candidates = []
    for below in {math.floor(place), math.ceil(place)}:
        sides = [-low / below if below else 0.0, high / (255 - below) if below < 255 else 0.0]
        if (below or low == 0) and (below < 255 or high == 0):
            scale = max(sides)
            candidates.append((scale, -below))
    scale, first = min(candidates)
    return first * scale, (first + 255) * scale


@dataclass(frozen=True)
class Ranges(Mapping[str, tuple[float, float]]):
    """(min, max) in real units by tensor name; `method` says where they come from."""

    pairs: dict[str, tuple[float, float]] = field(default_factory=dict)
    method: str = "min-max"

    def __getitem__(self, tensor: str) -> tuple[float, float]:
        return self.pairs[tensor]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def over(self, other: Ranges) -> Ranges:
        """These ranges, and the other's for the tensors that these do not know."""
        return Ranges({**other.pairs, **self.pairs}, f"{self.method}, else {other.method}")

    def symmetric(self) -> Ranges:
        """The narrowest ranges around these whose zero point is 0: −128 to 127 steps of one scale."""
        smallest = float(np.finfo(np.float32).tiny)  # a constant 0 has a scale too
        steps = {name: max(-low / 128, high / 127, smallest) for name, (low, high) in self.pairs.items()}
        return Ranges({name: (-128 * step, 127 * step) for name, step in steps.items()}, f"{self.method}, symmetric")

    def save(self, path: Path) -> None:
        """Write as JSON: `{"method": …, "ranges": {tensor: [min, max]}}`."""
        content = {"method": self.method, "ranges": {name: list(pair) for name, pair in self.pairs.items()}}
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Ranges:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not a ranges file.
        """
        check_ordinary(path)
        try:
            content = limits.json_file(path)
            values = {name: (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
        except FileNotFoundError as error:
            raise InputError(f"There is no file {path}: give a ranges file, or the folder of a run.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{path}' is not a ranges file: {error}") from error
        for name, (low, high) in values.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise InputError(f"'{path}': the range of tensor '{name}' is [{low}, {high}].")
        return cls(values, str(content.get("method", "?")))
