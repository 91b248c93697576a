"""From all that a detector proposes to the few boxes that it answers: threshold, order, non-maximum suppression.

All numbers are float32 and every step is one that another language can repeat in the same order:

1. Pairs of a box and a class whose score is at least the threshold, in the order of the boxes, then of the classes.
2. The highest scores first; of equal ones, which int8 has many, the earlier pair. At most :data:`MOST` are kept.
3. One after the other: a box is taken unless one of its class that was taken before overlaps it by more than the
   threshold; until there are as many as wanted.
4. What is taken is clipped to the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.detection.box_coding import overlaps

MOST = 1000
"""Pairs that are looked at in an image, the best ones."""
_TOGETHER = 128
"""Boxes whose overlaps are worked out at once: fewer steps of Python, and no more work than is needed."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a decoder reads out of the outputs of B examples."""

    boxes: NDArray[np.float32]
    """[B, N, 4]: y_min, x_min, y_max, x_max as shares of the input; beyond 0..1 too."""
    scores: NDArray[np.float32]
    """[B, N, C], one for each class; [B, N, 1] where `classes` says which it is."""
    classes: NDArray[np.int64] | None = None
    """[B, N]."""

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes of one example, the highest score first."""

    boxes: NDArray[np.float32]
    """[n, 4] as shares of the input, within 0..1."""
    scores: NDArray[np.float32]
    """[n]."""
    classes: NDArray[np.int64]
    """[n]."""

    def __len__(self) -> int:
        return len(self.scores)


def detect(
    candidates: Candidates, score_threshold: float, iou_threshold: float | None, max_boxes: int
) -> Iterator[Detections]:
    """The answer for each example.

    Args:
        candidates: Of B examples.
        score_threshold: The least score that counts.
        iou_threshold: Boxes of a class that overlap by more are one object; None where that is done already.
        max_boxes: The most boxes of an example.
    """
    for index in range(len(candidates)):
        chosen, scores, classes = _best(candidates, index, np.float32(score_threshold))
        boxes = candidates.boxes[index][chosen]
        kept = (
            np.arange(min(len(boxes), max_boxes))
            if iou_threshold is None
            else suppress(boxes, classes, np.float32(iou_threshold), max_boxes)
        )
        clipped = np.clip(boxes[kept], np.float32(0), np.float32(1))
        yield Detections(clipped, scores[kept], classes[kept])


def _best(
    candidates: Candidates, index: int, threshold: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """The pairs by descending score: box, score, class."""
    scores = candidates.scores[index].reshape(-1)
    places = np.flatnonzero(scores >= threshold)
    found = scores[places]
    if len(found) > MOST:
        least = np.partition(found, len(found) - MOST)[len(found) - MOST]
        enough = found >= least  # equal scores at the end are cut by their order below
        places, found = places[enough], found[enough]
    order = np.argsort(-found, kind="stable")[:MOST]
    places, found = places[order], found[order]
    count = candidates.scores.shape[2]
    boxes, classes = np.divmod(places, count)
    if candidates.classes is not None:
        classes = candidates.classes[index][boxes]
    return boxes, found, classes.astype(np.int64)


def suppress(
    boxes: NDArray[np.float32], classes: NDArray[np.int64], threshold: np.float32, most: int
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class; the places of what is kept, in order.

    Args:
        boxes: [n, 4], the highest score first.
        classes: [n].
        threshold: Of intersection over union; a box that overlaps by more is left out.
        most: How many are kept.
    """
    kept: list[int] = []
    for start in range(0, len(boxes), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        own, numbers = boxes[some], classes[some]
        same = (overlaps(own, own) > threshold) & (numbers[:, None] == numbers)
        gone = ((overlaps(boxes[kept], own) > threshold) & (classes[kept][:, None] == numbers)).any(axis=0)
        for place in range(len(own)):
            if not gone[place]:
                kept.append(start + place)
                if len(kept) == most:
                    return np.array(kept, np.int64)
                gone |= same[place]
    return np.array(kept, np.int64)
