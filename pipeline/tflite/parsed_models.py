"""The models that were read last, so that one that is read again and again need not be parsed each time.

Parsing takes ten times as long as a copy, and writing one format reads the same float model a dozen times.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT

MOST_BYTES, MOST_MODELS = 64 << 20, 16
_PLAIN = frozenset({int, float, bool, bytes, str, type(None), np.ndarray})
"""Values that copies share: immutable, or arrays that are read-only views."""


class ParsedModels:
    """Model trees by the content that they were read from; what is given and what is kept are copies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, ModelT] = OrderedDict()

    def get(self, content: bytes) -> ModelT | None:
        """A copy of its tree, the caller's to change; None where it is not there."""
        with self._lock:
            found = self._kept.get(content)
            if found is None:
                return None
            self._kept.move_to_end(content)
        return copy_of(found)

    def keep(self, content: bytes, model: ModelT) -> None:
        """Remember a tree; those that were not asked for longest go, and too large a model is not kept at all."""
        if len(content) > MOST_BYTES:
            return
        kept = copy_of(model)
        with self._lock:
            self._kept[content] = kept
            while len(self._kept) > MOST_MODELS or sum(map(len, self._kept)) > MOST_BYTES:
                self._kept.popitem(last=False)


def copy_of(value: Any) -> Any:
    """The objects and lists of a tree anew; the arrays are shared."""
    if isinstance(value, list):
        return [entry if type(entry) in _PLAIN else copy_of(entry) for entry in value]
    made: Any = object.__new__(type(value))
    made.__dict__ = {name: own if type(own) in _PLAIN else copy_of(own) for name, own in vars(value).items()}
    return made
