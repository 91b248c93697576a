"""What a rewrite did, for the reader of `pipeline doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One layer that was in the way, and what stands in its place."""

    layer: str
    kind: str
    """Its class."""
    reason: str
    """Why it could not stay."""
    remedy: str
    """What was done."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
