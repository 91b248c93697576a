"""COCO's average precision over images, and of many samples of the images at little cost.

`pycocotools.cocoeval.COCOeval.accumulate`: detections of all images by score; at each recall of 0, 0.01, …, 1 the
highest precision that is reached at that recall or beyond; their mean. Here only the right detections are walked
through, since precision rises at those alone, and an image may count any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.detection.coco_matching import IGNORED, IOU_THRESHOLDS, RIGHT, ImageMatches

RECALLS = np.linspace(0.0, 1.0, 101)


class PrecisionCurves:
    """All that is the same for every sample of the images.

    Args:
        images: N > 0.
        area: Which of `coco_matching.AREAS`.
        thresholds: Which of `coco_matching.IOU_THRESHOLDS`; all by default.
    """

    def __init__(
        self, images: Sequence[ImageMatches], area: int = 0, thresholds: Sequence[int] = range(len(IOU_THRESHOLDS))
    ) -> None:
        classes = np.concatenate([image.classes for image in images])
        scores = np.concatenate([image.scores for image in images])
        outcomes = np.concatenate([image.outcomes[area][list(thresholds)] for image in images], axis=1)
        image_of = np.repeat(np.arange(len(images)), [len(image.classes) for image in images])
        self._objects, self.classes = _object_counts(images, area)

        known = np.isin(classes, self.classes)
        order = np.flatnonzero(known)
        order = order[np.lexsort((-scores[order], classes[order]))]
        column = np.searchsorted(self.classes, classes[order])
        outcomes = outcomes[:, order]
        self._image_of, self._count = image_of[order], len(thresholds)

        self._right, right_segment = self._places(outcomes == RIGHT, column)
        self._ignored, ignored_segment = self._places(outcomes == IGNORED, column)
        segments = np.arange(len(self.classes) * self._count)
        self._right_starts = np.searchsorted(right_segment, segments)
        self._right_ends = np.searchsorted(right_segment, segments, side="right")
        self._right_segment = right_segment
        self._image_of_right, self._image_of_ignored = self._image_of[self._right], self._image_of[self._ignored]
        self._class_starts = np.searchsorted(column, right_segment // self._count)
        # How many of the detections that are ignored in the same class and threshold come before each right one.
        width = max(len(order), 1)
        self._ignored_before = np.searchsorted(
            ignored_segment * width + self._ignored, right_segment * width + self._right
        )
        self._ignored_starts = np.searchsorted(ignored_segment, segments)

    def _places(
        self, wanted: NDArray[np.bool_], column: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places in the order of detections, and their segment: class by class, in that threshold by threshold."""
        threshold, place = np.nonzero(wanted)
        segment = column[place] * self._count + threshold
        by_segment = np.argsort(segment, kind="stable")
        return place[by_segment], segment[by_segment]

    def of_sample(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Average precision of a sample, [classes, thresholds]; NaN of a class without objects.

        Args:
            counts: How often each image is in it, [N].
        """
        objects = counts @ self._objects
        found = np.full((len(self.classes), self._count), np.nan)
        found[objects > 0] = 0.0
        if not len(self._right):
            return found
        before = _running(counts[self._image_of])
        ignored = _running(counts[self._image_of_ignored])
        right = _running(counts[self._image_of_right])
        own = right[1:] - right[self._right_starts][self._right_segment]
        passed = before[self._right + 1] - before[self._class_starts]
        passed -= ignored[self._ignored_before] - ignored[self._ignored_starts][self._right_segment]
        precision = np.append(own / np.maximum(passed, 1), 0.0)

        needed = _needed(np.repeat(objects, self._count))
        reached = np.searchsorted(right[1:], right[self._right_starts][:, None] + needed, side="left")
        inside = reached < self._right_ends[:, None]
        # The highest precision from each recall to the next one, and then from there on to the end.
        between = np.maximum.reduceat(precision, np.minimum(reached, self._right_ends[:, None]).reshape(-1))
        steps = np.where(inside, between.reshape(reached.shape), 0.0)
        highest = np.maximum.accumulate(steps[:, ::-1], axis=1)
        mean = highest.mean(axis=1).reshape(found.shape)
        return np.where(np.isnan(found), np.nan, mean)

    def mean(self, counts: NDArray[np.int64]) -> float:
        """Of all classes that have objects and all thresholds; NaN where none has."""
        found = self.of_sample(counts)
        known = found[~np.isnan(found)]
        return float(known.mean()) if len(known) else float("nan")


def _running(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums of the first 0, 1, … of them."""
    return np.concatenate([[0], np.cumsum(counts)])


def _needed(objects: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many right ones reach each recall, at least one, [len(objects), 101]: exactly as the quotient compares."""
    total = np.maximum(objects, 1)[:, None]
    needed = np.ceil(RECALLS * total).astype(np.int64)
    needed -= (needed - 1) / total >= RECALLS
    needed += needed / total < RECALLS
    return np.maximum(needed, 1)


def _object_counts(images: Sequence[ImageMatches], area: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Objects that count, [N, classes], and which classes those are."""
    objects = [image.object_classes[image.counted[area]] for image in images]
    together = np.concatenate(objects)
    classes, column = np.unique(together, return_inverse=True)
    counts = np.zeros((len(images), len(classes)), np.int64)
    np.add.at(counts, (np.repeat(np.arange(len(images)), [len(one) for one in objects]), column), 1)
    return counts, classes
