"""Average precision is COCO's to the last digits, of the images and of any sample of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tasks.detection.average_precision import PrecisionCurves
from pipeline.tasks.detection.coco_matching import AREAS
from tests.tasks.detection.scenes import coco, matches, scene

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, images=st.integers(1, 8), classes=st.integers(1, 4))
def test_equals_cocoeval_for_every_class_threshold_and_size(seed: int, images: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [scene(generator, classes) for _ in range(images)]
    if not any(len(boxes) for boxes, *_ in scenes) or not any(len(objects) for *_, objects in scenes):
        return  # pycocotools takes no empty lists
    wanted = coco(scenes, classes).eval["precision"].mean(axis=1)[..., 2]  # [thresholds, classes, areas]
    for area in range(len(AREAS)):
        curves = PrecisionCurves(matches(scenes), area)
        found = np.full((classes, 10), np.nan)
        found[curves.classes] = curves.of_sample(np.ones(images, np.int64))
        expected = wanted[:, :, area].T
        np.testing.assert_allclose(found, np.where(expected < 0, np.nan, expected), rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_more_than_a_hundred_boxes_of_a_class_are_cut(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [scene(generator, 1, most=150)]
    if not len(scenes[0][0]) or not len(scenes[0][3]):
        return
    wanted = coco(scenes, 1).eval["precision"].mean(axis=1)[:, 0, 0, 2]
    found = PrecisionCurves(matches(scenes)).of_sample(np.ones(1, np.int64))
    np.testing.assert_allclose(found[0] if len(found) else -1, wanted, rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, images=st.integers(2, 7))
def test_a_sample_equals_the_images_themselves_as_often(seed: int, images: int) -> None:
    generator = np.random.default_rng(seed)
    scenes = [scene(generator, 3) for _ in range(images)]
    for boxes, scores, *_ in scenes:  # of equal scores the order would differ: no two are equal here
        scores[:] = np.sort(generator.random(len(boxes)).astype(np.float32))[::-1]
    counts = generator.integers(0, 4, images)
    if not counts.sum():
        return
    found = PrecisionCurves(matches(scenes)).mean(counts)
    repeated = [one for one, count in zip(scenes, counts, strict=True) for _ in range(count)]
    assert found == pytest.approx(
        PrecisionCurves(matches(repeated)).mean(np.ones(len(repeated), np.int64)), nan_ok=True
    )


def test_one_threshold_is_that_of_all() -> None:
    scenes = matches([scene(np.random.default_rng(seed), 2) for seed in range(6)])
    once = np.ones(6, np.int64)
    whole = PrecisionCurves(scenes).of_sample(once)
    np.testing.assert_array_equal(PrecisionCurves(scenes, thresholds=(5,)).of_sample(once)[:, 0], whole[:, 5])


def test_images_without_objects_or_answers() -> None:
    generator = np.random.default_rng(0)
    boxes, scores, classes, objects = scene(generator, 2)
    nothing = (boxes[:0], scores[:0], classes[:0], objects[:0])
    assert np.isnan(PrecisionCurves(matches([nothing])).mean(np.ones(1, np.int64)))
    missed = (boxes[:0], scores[:0], classes[:0], objects)
    assert PrecisionCurves(matches([missed, nothing])).mean(np.ones(2, np.int64)) == 0
    assert np.isnan(PrecisionCurves(matches([missed, nothing])).mean(np.array([0, 2])))
