"""Values that show that a recipe says something else of a detector's outputs than what they are.

A second sigmoid would put all scores above a half, and boxes in pixels taken as shares would lie nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError

_FEWEST = 64
"""Values from which on it is no chance that all logits lie between 0 and 1."""


def refuse_probabilities(scores: NDArray[Any], output: str, activation: str) -> None:
    """
    Args:
        scores: Of a batch.
        output: Their output's name.
        activation: That is about to be done.

    Raises:
        InputError: all of them lie within 0..1.
    """
    if scores.size >= _FEWEST and scores.min() >= 0 and scores.max() <= 1 and scores.min() < scores.max():
        raise InputError(
            f"The scores of the output '{output}' all lie between {scores.min():.3g} and {scores.max():.3g}: they are "
            f"probabilities already, and the task would put a {activation} over them once more. Say "
            "`activation: none` in the task."
        )


def check_probabilities(scores: NDArray[np.float32], decoder: str, output: str) -> None:
    """
    Raises:
        InputError: scores that are no probabilities.
    """
    if scores.size and (scores.min() < -0.5 or scores.max() > 1.5):
        raise InputError(
            f"The decoder {decoder} reads scores of 0 to 1 behind the boxes of '{output}', and finds "
            f"{scores.min():.4g} to {scores.max():.4g}: the values stand in another order than it takes them, or they "
            "are logits. See `layout`, `decode` (yolo_v8 has no objectness), `activation: sigmoid`."
        )


def check_units(boxes: NDArray[np.float32], units: str, decoder: str, output: str) -> None:
    """
    Args:
        boxes: Values of boxes, [B, N, 4], in what the recipe says they are in.
        units: `shares` or `pixels`.
        decoder: Its name.
        output: The name of the output that holds the boxes.

    Raises:
        InputError: they are clearly in the other.
    """
    if not boxes.size:
        return
    middle = float(np.median(np.abs(boxes[..., :2])))
    largest = float(np.abs(boxes).max())
    if units == "shares" and middle > 2:
        raise InputError(
            f"The decoder {decoder} takes the boxes of '{output}' as shares of the input, 0..1, and half of them lie "
            f"beyond {middle:.4g}: say `units: pixels`, or another `layout` where other values stand in their place."
        )
    if units == "pixels" and 0 < largest <= 2:
        raise InputError(
            f"The decoder {decoder} takes the boxes of '{output}' in pixels, and none of their values is above "
            f"{largest:.3g}: say `units: shares`, or another `layout` where other values stand in their place."
        )
