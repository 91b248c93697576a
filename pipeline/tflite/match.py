"""Which activations are the same in two files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pipeline.tflite.activations import INPUT, Activation
from pipeline.tflite.verdict import CONVERSIONS


def matched(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    """Places of the same activation in two files, in the lower's order: by name, and between those by order.

    Of what no name fits, an activation of the same kind of operator and the same shape matches, as two texts are
    aligned. Inputs match inputs: by name, or in order where the names are all different.
    """
    pairs = dict(_inputs(upper, lower))
    places = {activation.name: place for place, activation in enumerate(upper) if activation.operator != INPUT}
    for place, own in enumerate(lower):
        if own.operator != INPUT and own.name in places and upper[places[own.name]].shape == own.shape:
            pairs[place] = places[own.name]
    named = set(pairs.values())
    for above, below in _by_order(upper, lower, {upper[place].name for place in named}):
        if above not in named and below not in pairs:
            pairs[below] = above
    return [(pairs[place], place) for place in sorted(pairs)]


def _inputs(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    """(lower, upper)."""
    above, below = ([place for place, own in enumerate(side) if own.operator == INPUT] for side in (upper, lower))
    names = {_plain(upper[place].name): place for place in above}
    common = [(place, names[_plain(lower[place].name)]) for place in below if _plain(lower[place].name) in names]
    return common or list(zip(below, above, strict=False))


def _plain(name: str) -> str:
    """Without what exporters put around it: `serving_default_NAME:0`."""
    return name.removeprefix("serving_default_").partition(":")[0]


def _by_order(upper: Sequence[Activation], lower: Sequence[Activation], names: set[str]) -> list[tuple[int, int]]:
    """Aligned places; those in `names` are the fixed points between which the others are aligned."""
    sides = [
        [place for place, own in enumerate(side) if own.operator != INPUT and own.operator not in CONVERSIONS]
        for side in (upper, lower)
    ]
    keys = [
        [side[place].name if side[place].name in names else (side[place].operator, side[place].shape) for place in own]
        for side, own in zip((upper, lower), sides, strict=True)
    ]
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    return [
        (sides[0][block.a + step], sides[1][block.b + step])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
