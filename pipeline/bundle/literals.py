"""How Java and Kotlin write what a contract holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Literals:
    """One of the two languages."""

    java: bool

    def floats(self, values: Iterable[float]) -> str:
        return self._array("float", numbers(values))

    def integers(self, values: Iterable[int]) -> str:
        return self._array("int", ", ".join(map(str, values)))

    def doubles(self, values: Iterable[float]) -> str:
        """In a row, as arguments."""
        return ", ".join(repr(float(value)) for value in values)

    def strings(self, values: Iterable[str]) -> str:
        listed = ", ".join(map(string, values))
        if self.java:
            return f"java.util.Collections.unmodifiableList(java.util.Arrays.<String>asList({listed}))"
        return f"listOf<String>({listed})"

    def new(self, name: str, *arguments: object) -> str:
        """A call of a constructor."""
        return f"{'new ' if self.java else ''}{name}({', '.join(map(_text, arguments))})"

    def call(self, name: str, *arguments: object) -> str:
        return f"{name}({', '.join(map(_text, arguments))})"

    def _array(self, kind: str, listed: str) -> str:
        return f"new {kind}[] {{{listed}}}" if self.java else f"{kind}ArrayOf({listed})"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def numbers(values: Iterable[float]) -> str:
    """Float literals in a row."""
    return ", ".join(map(number, values))


def number(value: float) -> str:
    """The shortest decimal that reads back as the same float32, as both languages take it."""
    return f"{np.float32(value)!s}f"


def string(text: str) -> str:
    """A literal; a dollar would begin a template in Kotlin."""
    return json.dumps(text).replace("$", "\\u0024")


def comment(text: str) -> str:
    """Text that neither ends nor begins a comment."""
    return " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *").replace("\\u", "\\ u")
