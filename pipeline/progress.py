"""How a stage tells that it is getting on, without printing anything itself.

A stage takes a `track` argument and wraps its long loops in it. The default says nothing; the command line
passes :func:`bar`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Track(Protocol):
    """Hands the items through unchanged and may report on the way."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]: ...


def quiet(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """Report nothing."""
    return items


def bar(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """A progress bar on stderr; where that is not a terminal, a line every ten seconds."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=what,
        total=total,
        leave=False,
        dynamic_ncols=terminal,
        mininterval=0.1 if terminal else 10,
        maxinterval=10,
        file=sys.stderr,
    )


def clear() -> None:
    """Take every bar that is drawn off the terminal: what is printed then stands on a line of its own."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is not None:
        for one in list(tqdm.tqdm._instances):
            one.close()
