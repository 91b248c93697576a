"""Which activations are the same in two files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from pipeline.tflite.activations import Activation
from pipeline.tflite.verdict import CONVERSIONS

_FEW = 0.5
"""Below this share of names in common, files are matched by their operators' order."""


def matched(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    """Places of the same activation in two files, in the lower's order: by name, else by the operators' order.

    The inputs, which stand first in both, always match.
    """
    places = {activation.name: place for place, activation in enumerate(upper) if place}
    pairs = [
        (places[own.name], place)
        for place, own in enumerate(lower)
        if place and own.name in places and upper[places[own.name]].shape == own.shape
    ]
    countable = [own for own in lower[1:] if own.operator not in CONVERSIONS]
    if len(pairs) < _FEW * len(countable):
        pairs = _by_order(upper, lower)
    return [(0, 0), *pairs]


def _by_order(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    sides = [
        [place for place, own in enumerate(side) if place and own.operator not in CONVERSIONS]
        for side in (upper, lower)
    ]
    keys = [
        [(side[place].operator, side[place].shape) for place in places]
        for side, places in zip((upper, lower), sides, strict=True)
    ]
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    return [
        (sides[0][block.a + step], sides[1][block.b + step])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
