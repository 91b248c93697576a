"""Activation ranges: what calibration measured or QAT learned, one (min, max) a tensor, kept as a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import write_text


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
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            values = {name: (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"'{path}' is not a ranges file: {error}") from error
        for name, (low, high) in values.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise InputError(f"'{path}': the range of tensor '{name}' is [{low}, {high}].")
        return cls(values, str(content.get("method", "?")))
