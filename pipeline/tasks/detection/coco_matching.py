"""Which detections of an image are right, as COCO's evaluation has it (`pycocotools.cocoeval.COCOeval.evaluateImg`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import AREA, CLASS, CROWD, FLAG, ORDINARY, X_MAX
from pipeline.tasks.detection.box_coding import areas, overlaps

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""All objects, small, medium and large ones, in square pixels of the stored image."""
MOST = 100
"""Detections of a class in an image that count, the best ones."""

WRONG, RIGHT, IGNORED = range(3)


@dataclass(frozen=True, eq=False)
class ImageMatches:
    """All that average precision needs to know of an image."""

    scores: NDArray[np.float32]
    """[D], the highest first."""
    classes: NDArray[np.int64]
    """[D]."""
    outcomes: NDArray[np.uint8]
    """[areas, thresholds, D]: `WRONG`, `RIGHT` or `IGNORED`."""
    object_classes: NDArray[np.int64]
    """[G]."""
    counted: NDArray[np.bool_]
    """[areas, G]: whether an object is to be found; not so crowds, difficult ones, and those of another size."""


def match(
    boxes: NDArray[np.floating],
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    objects: NDArray[Any],
) -> ImageMatches:
    """Compare the detections of one image with its objects.

    A detection takes, in the order of the scores, the object of its class that it overlaps most and that is not taken;
    of those that do not count, only where there is no other. A crowd is taken any number of times, and its overlap is
    the share of the detection that lies within.

    Args:
        boxes: [D, 4] corners in pixels of the stored image, the highest score first.
        scores: [D].
        classes: [D].
        objects: [G, 7] as `pipeline.boxes` has them, in the same pixels.
    """
    first = _first_of_class(classes)
    boxes, scores, classes = boxes[first].astype(np.float64), scores[first], classes[first]
    wanted, crowds = objects[:, CLASS].astype(np.int64), objects[:, FLAG] == CROWD
    limits, size = np.array(AREAS), objects[:, AREA].astype(np.float64)
    ignored = (objects[:, FLAG] != ORDINARY) | (size < limits[:, :1]) | (size > limits[:, 1:])
    own = areas(boxes)
    outside = (own < limits[:, :1]) | (own > limits[:, 1:])
    outcomes = np.repeat(np.where(outside, IGNORED, WRONG).astype(np.uint8)[:, None], len(IOU_THRESHOLDS), axis=1)
    if len(boxes) and len(objects):
        shares = overlaps(boxes, objects[:, : X_MAX + 1].astype(np.float64), crowds)
        _assign(np.where(classes[:, None] == wanted, shares, -1.0), ignored, crowds, outcomes)
    return ImageMatches(scores, classes, outcomes, wanted, ~ignored)


def _assign(
    shares: NDArray[np.float64], ignored: NDArray[np.bool_], crowds: NDArray[np.bool_], outcomes: NDArray[np.uint8]
) -> None:
    """Fill in the outcomes of all detections that overlap an object enough."""
    limits = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)[:, None]
    taken = np.zeros((len(AREAS), len(IOU_THRESHOLDS), shares.shape[1]), np.bool_)
    for index in np.flatnonzero(shares.max(axis=1) >= limits[0, 0]):
        near = np.flatnonzero(shares[index] >= limits[0, 0])[::-1]  # the last of equal ones is taken
        share = shares[index, near]
        free = (share >= limits) & (~taken[..., near] | crowds[near])
        for outcome, group in ((IGNORED, ignored), (RIGHT, ~ignored)):
            values = np.where(free & group[:, None, near], share, -1.0)
            best = values.argmax(axis=-1)
            area, threshold = np.nonzero(np.take_along_axis(values, best[..., None], axis=-1)[..., 0] >= 0)
            if outcome == IGNORED:
                left_over = (area, threshold, near[best[area, threshold]])
            else:
                outcomes[area, threshold, index] = RIGHT
                taken[area, threshold, near[best[area, threshold]]] = True
        area, threshold, place = left_over
        only = outcomes[area, threshold, index] != RIGHT
        outcomes[area[only], threshold[only], index] = IGNORED
        taken[area[only], threshold[only], place[only]] = True


def _first_of_class(classes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each is among the first `MOST` of its class."""
    if len(classes) <= MOST:
        return np.ones(len(classes), np.bool_)
    order = np.argsort(classes, kind="stable")
    starts = np.searchsorted(classes[order], classes[order], side="left")
    first = np.empty(len(classes), np.bool_)
    first[order] = np.arange(len(classes)) - starts < MOST
    return first
