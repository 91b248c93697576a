"""What a model is trained towards, decoded, is what was wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.boxes import CROWD
from pipeline.tasks.detection import Detection
from pipeline.tasks.detection.anchors import grid_anchors
from tests.tasks.detection.test_choice import ANCHORS, detection
from tests.tasks.tensors_of import tensor

BOXES = np.full((2, 9, 7), 0, np.float32)
BOXES[..., 4] = -1
BOXES[0, :3] = [
    [0.1, 0.1, 0.4, 0.5, 0, 0, 491],
    [0.5, 0.5, 0.9, 0.8, 1, 0, 491],
    [0.05, 0.6, 0.3, 0.95, 2, 0, 358],
]  # fmt: skip
MAPS = tensor("heatmap", 16, 16, 3), tensor("size", 16, 16, 2), tensor("offset", 16, 16, 2)
SSD = tensor("boxes", ANCHORS, 4), tensor("scores", ANCHORS, 3)
FCOS = tensor("boxes", 86, 4), tensor("scores", 86, 3), tensor("centerness", 86, 1)
PROBABLE: dict[str, Any] = dict.fromkeys(("heatmap", "scores", "centerness"), "sigmoid")


def as_outputs(task: Detection) -> dict[str, np.ndarray]:
    """A model that has learned its targets."""
    found = {}
    for name, values in task.training_targets({"y": BOXES}).items():
        weighted = name in ("boxes", "size", "offset")
        found[name] = values[..., :-1] if weighted else np.maximum(values, 0)
    return found


@pytest.mark.parametrize(
    "task",
    [
        detection("auto", *SSD, endings=PROBABLE),
        detection({"name": "detection", "order": "xywh", "variances": [0.1, 0.1, 0.3, 0.4]}, *SSD, endings=PROBABLE),
        detection({"name": "detection", "decode": "ssd", "sizes": "linear"}, *SSD, endings=PROBABLE),
        detection("auto", SSD[0], tensor("scores", ANCHORS, 4), endings={"scores": "softmax"}),
        detection({"name": "detection", "background": "last"}, SSD[0], tensor("scores", ANCHORS, 4), endings=PROBABLE),
        detection("auto", *MAPS, endings=PROBABLE),
        detection({"name": "detection", "units": "cells", "order": "xy"}, *MAPS, endings=PROBABLE),
        detection({"name": "detection", "units": "pixels"}, *MAPS, endings=PROBABLE),
        detection("auto", *FCOS, endings=PROBABLE),
        detection({"name": "detection", "decode": "fcos", "units": "pixels", "order": "tlbr"}, *FCOS, endings=PROBABLE),
    ],
    ids=lambda task: str(
        {key: task.describe().get(key) for key in ("decode", "order", "units", "sizes", "background")}
    ),
)
def test_what_is_learned_is_what_is_answered(task: Detection) -> None:
    outputs = as_outputs(task)
    full, empty = task.answers(outputs)
    wanted = BOXES[0, :3]
    assert len(empty) == 0
    assert sorted(full.classes) == [0, 1, 2]
    for box, number in zip(full.boxes, full.classes, strict=True):
        np.testing.assert_allclose(box, wanted[number, :4], atol=1e-5)
    found = task.reduce(task.finalize(task.statistics(outputs, {"y": BOXES})))
    assert found["ap"] == 1
    assert set(task.losses) == set(outputs)


def test_anchors_are_matched_as_the_papers_have_it() -> None:
    task = detection("auto", *SSD, endings=PROBABLE)
    found = task.training_targets({"y": BOXES})
    counted = found["boxes"][..., 4] > 0
    assert counted[0].any()
    assert not counted[1].any()
    assert (found["scores"][1] == 0).all()
    np.testing.assert_array_equal(found["scores"][0][counted[0]].sum(axis=1), 1)
    corners = grid_anchors((64, 64))
    low, high = corners[:, :2] - corners[:, 2:] / 2, corners[:, :2] + corners[:, 2:] / 2
    shares = np.zeros((3, ANCHORS))
    for row, (y_min, x_min, y_max, x_max, *_) in enumerate(BOXES[0, :3]):
        sides = np.minimum(high, [y_max, x_max]) - np.maximum(low, [y_min, x_min])
        shared = np.maximum(sides, 0).prod(axis=1)
        shares[row] = shared / ((y_max - y_min) * (x_max - x_min) + corners[:, 2:].prod(axis=1) - shared)
    best = shares.max(axis=0)
    forced = shares.argmax(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(counted[0]), np.union1d(np.flatnonzero(best >= 0.5), forced))
    ignored = (found["scores"][0] == -1).all(axis=1)
    np.testing.assert_array_equal(ignored, (best >= 0.4) & (best < 0.5) & ~counted[0])


def test_two_objects_with_the_same_best_anchor_have_one_each() -> None:
    boxes = np.tile(BOXES[:1, :1], (1, 2, 1))
    boxes[0, :, :4] = 0.5, 0.5, 0.55, 0.55  # no anchor overlaps it by a half
    boxes[0, 1, 4] = 1
    scores = detection("auto", *SSD, endings=PROBABLE).training_targets({"y": boxes})["scores"][0]
    assert scores[:, 0].max() == scores[:, 1].max() == 1


def test_crowds_are_no_objects_and_what_lies_within_does_not_count() -> None:
    boxes = BOXES.copy()
    boxes[0, 1:, 4] = -1
    boxes[0, 0] = [0, 0, 0.5, 1, 0, CROWD, 2048]
    scores = detection("auto", *SSD, endings=PROBABLE).training_targets({"y": boxes})["scores"][0]
    assert scores.max() == 0
    y, x, height, width = grid_anchors((64, 64)).T
    within = (y > height / 2) & (x > width / 2) & (x < 1 - width / 2) & (y + height / 2 < 0.5)
    assert within.any()
    assert (scores[within] == -1).all()
    assert (scores[y - height / 2 > 0.5] == 0).all()
    assert detection("auto", *MAPS, endings=PROBABLE).training_targets({"y": boxes})["heatmap"].max() == 0


def test_a_gaussian_around_each_centre() -> None:
    found = detection("auto", *MAPS, endings=PROBABLE).training_targets({"y": BOXES})
    heat = found["heatmap"][0]
    assert np.argwhere(heat == 1).tolist() == [[2, 12, 2], [4, 4, 0], [11, 10, 1]]
    assert 0 < heat[5, 4, 0] < 1
    assert found["heatmap"][1].max() == 0
    assert found["size"][0, 4, 4] == pytest.approx([0.3, 0.4, 1])
    assert found["offset"][0, 4, 4] == pytest.approx([0.0, 0.8, 1], abs=1e-5)
    assert found["size"][0, ..., 2].sum() == 3


def test_of_two_centres_in_a_cell_the_smaller_objects_sides_are_kept() -> None:
    boxes = np.zeros((1, 2, 7), np.float32)
    boxes[0, 0, :5] = 0.45, 0.45, 0.57, 0.57, 0
    boxes[0, 1, :5] = 0.1, 0.1, 0.92, 0.92, 1
    for order in ([0, 1], [1, 0]):
        found = detection("auto", *MAPS, endings=PROBABLE).training_targets({"y": boxes[:, order]})
        assert found["size"][0, 8, 8] == pytest.approx([0.12, 0.12, 1], abs=1e-6)
        assert found["heatmap"][0, 8, 8].tolist() == [1, 1, 0]


def test_a_point_answers_on_the_level_that_the_objects_size_fits() -> None:
    section = {"name": "detection", "decode": "fcos"}
    task = detection(section, *(tensor(s.name, 1364, s.shape[-1]) for s in FCOS), endings=PROBABLE, side=256)
    levels = np.repeat([8, 16, 32, 64, 128], [1024, 256, 64, 16, 4])
    boxes = np.zeros((1, 1, 7), np.float32)
    for side, expected in ((0.2, {8}), (0.8, {16, 32})):  # 26 and 102 pixels from the middle to a side
        boxes[0, 0, :4] = 0.5 - side / 2, 0.5 - side / 2, 0.5 + side / 2, 0.5 + side / 2
        found = task.training_targets({"y": boxes})["boxes"][0]
        assert set(levels[found[:, 4] > 0].tolist()) == expected
