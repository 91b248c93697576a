"""Which anchors an SSD is to answer with: those that overlap an object, and the best one of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.boxes import CLASS, CROWD, FLAG, X_MAX
from pipeline.tasks.detection.box_coding import areas, intersections, overlaps, to_corners

POSITIVE, NEGATIVE = 0.5, 0.4
"""Overlap from which on an anchor is an object, and below which it is none; between, it does not count."""


@dataclass(frozen=True, eq=False)
class Matched:
    """What each anchor of each example is, [B, A]."""

    boxes: NDArray[np.float32]
    """[B, A, 4], the object's corners; the anchor's own where there is none."""
    classes: NDArray[np.int64]
    """−1 where there is none."""
    positive: NDArray[np.bool_]
    ignored: NDArray[np.bool_]

    def scores(self, classes: int) -> NDArray[np.float32]:
        """[B, A, C]: 1 for the object's class; −1 throughout where an anchor does not count."""
        found: NDArray[np.float32] = (self.classes[..., None] == np.arange(classes)).astype(np.float32)
        found[self.ignored] = -1
        return found


def match_anchors(boxes: NDArray[Any], anchors: NDArray[np.float32], classes: int) -> Matched:
    """
    W. Liu et al., SSD, https://arxiv.org/abs/1512.02325, with the band that does not count of T.-Y. Lin et al.,
    https://arxiv.org/abs/1708.02002. Of crowds, and of objects of classes that the model does not have, the anchors
    that lie at least half within do not count.

    Args:
        boxes: [B, M, 7] as `pipeline.boxes` has them, shares of the input.
        anchors: [A, 4] centre and size.
        classes: That the model has.
    """
    corners = np.asarray(to_corners(anchors), np.float32)
    batch, count = len(boxes), len(anchors)
    own = np.broadcast_to(corners, (batch, count, 4)).copy()
    found = np.full((batch, count), -1, np.int64)
    ignored = np.zeros((batch, count), np.bool_)
    anchor_areas = np.maximum(areas(corners), np.float32(1e-12))
    for index, rows in enumerate(boxes):
        there = rows[rows[:, CLASS] >= 0]
        vague = (there[:, FLAG] == CROWD) | (there[:, CLASS] >= classes)
        if vague.any():
            within = intersections(there[vague, : X_MAX + 1].astype(np.float32), corners) / anchor_areas
            ignored[index] = within.max(axis=0) >= POSITIVE
        objects = there[~vague]
        if not len(objects):
            continue
        places = objects[:, : X_MAX + 1].astype(np.float32)
        shares = overlaps(places, corners)
        best = shares.argmax(axis=0)
        highest = shares[best, np.arange(count)]
        best[highest < POSITIVE] = -1
        ignored[index] |= (highest >= NEGATIVE) & (highest < POSITIVE)
        for one in np.argsort(-shares.max(axis=1), kind="stable"):
            chosen = int(shares[one].argmax())
            best[chosen] = one
            shares[:, chosen] = -1  # no other object's best one
        positive = best >= 0
        ignored[index] &= ~positive
        own[index, positive] = places[best[positive]]
        found[index, positive] = objects[best[positive], CLASS].astype(np.int64)
    return Matched(own, found, found >= 0, ignored)
