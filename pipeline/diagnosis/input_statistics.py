"""Running statistics of a split's inputs, as the model sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import Array, Tensors

NAMED = 3
"""Examples kept to be named in a message."""
_NOUNS = {"image": "images", "audio": "recordings", "table": "rows", "window": "windows", "tokens": "sequences"}


@dataclass(frozen=True)
class InputKind:
    """What an input of the data holds."""

    name: str
    kind: str
    """`image`, `audio`, `table`, `window`, `tokens` or `values`, as the preprocessor describes it."""
    shape: tuple[int, ...]
    """Of one example."""
    integer: bool
    """Token ids, counts or flags: they are fed as they are and have no range that is calibrated."""

    @classmethod
    def of(cls, name: str, described: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> InputKind:
        """By the preprocessor's description; where that does not say, three axes of 1 or 3 channels are an image."""
        image = len(shape) == 3 and shape[-1] in (1, 3)
        return cls(name, str(described.get("kind", "image" if image else "values")), shape, dtype.kind in "iub")

    @property
    def nouns(self) -> str:
        """What messages call several of its examples."""
        return _NOUNS.get(self.kind, "examples")

    @property
    def channels(self) -> int:
        """Values that have a range each: an image's channels, a table's columns, the features of each step."""
        each = (self.kind == "image" and len(self.shape) == 3) or self.kind in ("table", "window") or self._rows
        return self.shape[-1] if each and self.shape else 1

    @property
    def channel(self) -> str:
        """What a message calls one of them."""
        of_rows = "Column" if len(self.shape) == 1 else "Feature"
        return {"table": "Column", "window": "Feature", "values": of_rows if self._rows else "Channel"}.get(
            self.kind, "Channel"
        )

    @property
    def _rows(self) -> bool:
        """Numbers [features], or [steps, features]."""
        return self.kind == "values" and len(self.shape) in (1, 2)


class InputStatistics:
    """What is needed of one input of all examples, without keeping one.

    Attributes:
        of: The input.
        count: Examples so far.
        low: The smallest value of each channel, float32 [C].
        high: The largest one.
        constant: Examples of one flat value in every channel.
        first_constant: Positions of the first of them.
    """

    def __init__(self, of: InputKind) -> None:
        self.of = of
        self.count = 0
        self.constant = 0
        self.first_constant: list[int] = []
        self.low = np.full(of.channels, np.inf, np.float32)
        self.high = np.full(of.channels, -np.inf, np.float32)
        self._values = 0
        self._at_low = np.zeros(of.channels, np.int64)
        self._at_high = np.zeros(of.channels, np.int64)

    def add(self, positions: NDArray[np.int64], x: Array) -> None:
        """Take in examples [B, ...] that stand at these positions of their split, [B]."""
        flat = x.reshape(len(x), -1, self.of.channels).astype(np.float32, copy=False)
        constant = (flat == flat[:, :1]).all(axis=(1, 2)) & (flat.shape[1] > 1)
        self.constant += int(constant.sum())
        self.first_constant += positions[constant].tolist()
        del self.first_constant[NAMED:]
        low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
        # A new extreme makes what was counted at the old one void.
        self._at_low[low < self.low] = 0
        self._at_high[high > self.high] = 0
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.count += len(x)
        varied = flat[~constant]
        self._at_low += (varied == self.low).sum(axis=(0, 1))
        self._at_high += (varied == self.high).sum(axis=(0, 1))
        self._values += varied.shape[0] * varied.shape[1]

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value of all."""
        return float(self.low.min()), float(self.high.max())

    @property
    def at_low(self) -> float:
        """Share of the values that are their channel's smallest one, 0..1. Flat examples and channels do not count."""
        return self._share(self._at_low)

    @property
    def at_high(self) -> float:
        """Share of the values that are their channel's largest one, 0..1."""
        return self._share(self._at_high)

    def _share(self, counts: NDArray[np.int64]) -> float:
        varied = self.low < self.high
        values = self._values * int(varied.sum())
        return float(counts[varied].sum() / values) if values else 0.0


def statistics_of(kinds: Sequence[InputKind]) -> dict[str, InputStatistics]:
    """Empty ones, by input name."""
    return {kind.name: InputStatistics(kind) for kind in kinds}


def add_batch(statistics: Mapping[str, InputStatistics], positions: NDArray[np.int64], inputs: Tensors) -> None:
    """Take in a batch."""
    for name, one in statistics.items():
        one.add(positions, inputs[name])


def named(kind: InputKind, inputs: int) -> str:
    """How a message tells an input from others: nothing where it is the only one."""
    return "" if inputs == 1 else f" of '{kind.name}'"
