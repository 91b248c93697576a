"""Which boxes are answered, and in which order: threshold, ties, suppression, clipping."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tasks.detection.candidates import MOST, Candidates, Detections, detect, suppress


def one(boxes: list[list[float]], scores: list[list[float]], **settings: float) -> Detections:
    candidates = Candidates(np.array([boxes], np.float32), np.array([scores], np.float32))
    known = {"score_threshold": 0.1, "iou_threshold": 0.5, "max_boxes": 100} | settings
    [found] = detect(candidates, **known)  # type: ignore[arg-type]
    return found


APART = [[0, 0, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7]]


def test_a_box_may_be_of_several_classes() -> None:
    found = one(APART, [[0.3, 0.9], [0.05, 0.2]])
    assert found.classes.tolist() == [1, 0, 1]
    assert found.scores.tolist() == np.array([0.9, 0.3, 0.2], np.float32).tolist()


def test_a_score_at_the_threshold_counts() -> None:
    assert one(APART, [[0.25], [0.2499999]], score_threshold=0.25).scores.tolist() == [0.25]


def test_of_equal_scores_the_earlier_box_and_class_come_first() -> None:
    found = one(APART, [[0.5, 0.5], [0.75, 0.5]])
    assert found.classes.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(found.boxes[1], np.float32([0, 0, 0.2, 0.2]))
    same = one([APART[0], [0, 0, 0.2, 0.21]], [[0.5], [0.5]])
    np.testing.assert_array_equal(same.boxes, np.float32([APART[0]]))


def test_what_overlaps_by_exactly_the_threshold_stays() -> None:
    boxes = [[0, 0, 0.5, 1], [0, 0, 1, 1]]
    assert len(one(boxes, [[0.9], [0.8]], iou_threshold=0.5)) == 2
    assert len(one(boxes, [[0.9], [0.8]], iou_threshold=0.49)) == 1


def test_boxes_are_clipped_after_suppression_and_empty_ones_suppress_nothing() -> None:
    found = one([[-0.5, 0.2, 0.5, 1.5], [0.3, 0.3, 0.3, 0.4], [0.3, 0.3, 0.3, 0.4]], [[0.9], [0.8], [0.7]])
    np.testing.assert_array_equal(found.boxes[0], np.float32([0, 0.2, 0.5, 1]))
    assert len(found) == 3


def test_no_more_than_wanted() -> None:
    boxes = [[0, place / 10, 0.05, place / 10 + 0.05] for place in range(9)]
    assert one(boxes, [[place / 10 + 0.1] for place in range(9)], max_boxes=3).scores.argmax() == 0
    assert len(one(boxes, [[place / 10 + 0.1] for place in range(9)], max_boxes=3)) == 3


def test_a_model_that_suppresses_itself_is_taken_as_it_is() -> None:
    candidates = Candidates(np.zeros((1, 3, 4), np.float32), np.float32([[[0.2], [0.9], [-1]]]), np.array([[4, 7, 0]]))
    [found] = detect(candidates, 0.1, None, 100)
    assert found.classes.tolist() == [7, 4]


def test_the_best_of_very_many() -> None:
    scores = np.full((1, 3 * MOST, 1), 0.5, np.float32)
    scores[0, 2 * MOST] = 0.75
    places = np.arange(3 * MOST, dtype=np.float32)
    boxes = np.stack([places, places, places + 1, places + 1], axis=-1)[None]
    [found] = detect(Candidates(boxes, scores, places[None].astype(np.int64)), 0.1, 0.5, 3)
    assert found.classes.tolist() == [2 * MOST, 0, 1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 300), most=st.integers(1, 60))
def test_suppression_is_the_plain_loop(seed: int, count: int, most: int) -> None:
    generator = np.random.default_rng(seed)
    low = generator.random((count, 2), np.float32)
    boxes = np.concatenate([low, low + generator.random((count, 2), np.float32)], axis=1)
    classes = generator.integers(0, 3, count)
    limit = np.float32(0.3)
    kept: list[int] = []
    for index in range(count):
        if len(kept) < most and all(
            classes[index] != classes[other] or overlap(boxes[index], boxes[other]) <= limit for other in kept
        ):
            kept.append(index)
    assert suppress(boxes, classes, limit, most).tolist() == kept


def overlap(one: np.ndarray, two: np.ndarray) -> np.float32:
    """In float32, operation by operation."""
    zero = np.float32(0)
    height = max(min(one[2], two[2]) - max(one[0], two[0]), zero)
    width = max(min(one[3], two[3]) - max(one[1], two[1]), zero)
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    shared = height * width
    return np.float32(shared / (area[0] + area[1] - shared))
