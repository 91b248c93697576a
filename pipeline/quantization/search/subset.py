"""The fewest of ranked items that satisfy a test that costs much to ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def fewest(ranked: Sequence[Item], enough: Callable[[tuple[Item, ...]], bool]) -> tuple[Item, ...] | None:
    """Find a small set of items that is enough, such that no single one can be left out of it.

    The shortest beginning of the ranking that is enough is found by doubling, then by halving; then each of its items
    is left out in turn, the least important first, and stays out where the rest is still enough. A beginning is
    assumed to stay enough when more is added: where that fails the set may be larger than need be, but it is one for
    which `enough` was True.

    Args:
        ranked: Different items, the most important first.
        enough: Asked about 2·log₂(n) + k sets of k items, in the ranking's order; never the same one twice.

    Returns:
        The set, in the ranking's order; empty where nothing is needed, None where even all of them are not enough.
    """
    asked: dict[tuple[Item, ...], bool] = {}

    def ask(items: Sequence[Item]) -> bool:
        key = tuple(items)
        if key not in asked:
            asked[key] = enough(key)
        return asked[key]

    if ask(()):
        return ()
    low, high = 0, min(1, len(ranked))
    while not ask(ranked[:high]):
        if high == len(ranked):
            return None
        low, high = high, min(2 * high, len(ranked))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ask(ranked[:middle]) else (middle, high)
    kept = list(ranked[:high])
    for item in reversed(ranked[:high]):
        fewer = [other for other in kept if other != item]
        if ask(fewer):
            kept = fewer
    return tuple(kept)
