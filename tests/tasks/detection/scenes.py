"""Random boxes and detections, and what pycocotools says of them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.boxes import CLASS, CROWD, FLAG
from pipeline.tasks.detection.coco_matching import ImageMatches, match

Scene = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Boxes [D, 4] in pixels by descending score, scores, classes; objects [G, 7]."""


def scene(generator: np.random.Generator, classes: int, most: int = 12, crowds: bool = True) -> Scene:
    """An image with any number of objects, none too, most of which are found about where they are."""
    count = int(generator.integers(0, most))
    low = generator.integers(0, 150, (count, 2))
    sides = generator.integers(4, 140, (count, 2))
    objects = np.zeros((count, 7))
    objects[:, :4] = np.concatenate([low, low + sides], axis=1)
    objects[:, CLASS] = generator.integers(0, classes, count)
    objects[:, FLAG] = CROWD * (generator.random(count) < 0.15) * crowds
    objects[:, 6] = sides.prod(axis=1) * generator.choice([1.0, 0.5], count)
    found = np.repeat(objects[generator.random(count) < 0.8], 2, axis=0)
    boxes = found[:, :4] + generator.integers(-6, 7, (len(found), 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    wrong = generator.integers(0, most)
    corner = generator.integers(0, 150, (wrong, 2))
    others = np.concatenate([corner, corner + generator.integers(4, 120, (wrong, 2))], axis=1)
    boxes = np.concatenate([boxes, others]).astype(np.float64)
    own = np.concatenate([found[:, CLASS], generator.integers(0, classes, wrong)]).astype(np.int64)
    scores = (generator.integers(0, 17, len(boxes)) / 16).astype(np.float32)  # many are equal
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order], own[order], objects


def matches(scenes: list[Scene]) -> list[ImageMatches]:
    return [match(*one) for one in scenes]


def coco(scenes: list[Scene], classes: int) -> COCOeval:
    """Evaluated and accumulated."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image, (boxes, scores, own, objects) in enumerate(scenes):
        for row in objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(row[CLASS]),
                    "bbox": _xywh(row[:4]),
                    "area": float(row[6]),
                    "iscrowd": int(row[FLAG] == CROWD),
                }
            )
        for box, score, number in zip(boxes, scores, own, strict=True):
            results.append({"image_id": image, "category_id": int(number), "bbox": _xywh(box), "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(scenes))],
            "categories": [{"id": number} for number in range(classes)],
            "annotations": annotations,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _xywh(corners: NDArray[Any]) -> list[float]:
    y_min, x_min, y_max, x_max = (float(value) for value in corners)
    return [x_min, y_min, x_max - x_min, y_max - y_min]
