"""The Kotlin of detectors, segmenters and models of points: the same tests as the Java's, some compiled in one go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.android import jvm
from tests.bundle.test_generated_kotlin import kotlin_classes
from tests.bundle.test_located_java import run_all, unpacked_bundles

GROUPS = {
    "anchors": [
        ("boxes", "ssd"),
        ("boxes", "ssd of anchors one by one, softmax, a background, more values of a box"),
        ("boxes", "fcos"),
    ],
    "maps": [("boxes", "centernet without offsets, in pixels, x first, logits"), ("boxes", "yolo_v5's grids")],
    "tables": [("boxes", "yolo_v8, values first"), ("boxes", "yolo_v5"), ("boxes", "postprocess")],
    "masks": [("mask", "scores of a stride"), ("mask", "one channel"), ("mask", "class numbers")],
    "points": [("points", "in pixels, x first, with a score, flat"), ("points", "heat maps")],
}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_boxes_masks_and_points_are_the_task_s_in_kotlin(group: str, tmp_path: Path) -> None:
    jvm.need("java")
    bundles, together = unpacked_bundles(GROUPS[group], tmp_path), tmp_path / "together"
    for folder, _ in bundles.values():
        shutil.copytree(folder / "kotlin", together / "kotlin", dirs_exist_ok=True)
    run_all(bundles, [kotlin_classes(together), jvm.jar("kotlin-stdlib")], "kotlin")
