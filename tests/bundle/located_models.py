"""Tiny detectors, segmenters and models of points with random weights, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.tflite.metadata import Metadata, write
from pipeline.tflite.signature import name_ends
from tests.tiny_models import Graph

SIZE = (16, 12)
PHOTO = {
    "kind": "image",
    "size": list(SIZE),
    "channels": 3,
    "resize": "bilinear",
    "fit": "pad",
    "scale": "0..1",
    "mean": [0.0],
    "std": [255.0],
}
"""As `ImagePreprocessor.describe` writes it into a model."""


@dataclass(frozen=True)
class Head:
    """An output: where its values lie, nearly all of them."""

    shape: tuple[int, ...]
    low: float
    high: float
    dtype: str = "int8"
    middles: tuple[float, ...] = ()
    """Of the values along the last axis; by default halfway between the limits."""


def heads(outputs: Mapping[str, Head], size: tuple[int, int] = SIZE) -> bytes:
    """[1, *size, 3] → each output by its name; from a random number for each value, different ones for each input.

    An output of int8 has 256 steps between its limits, of which many values are the same; int32 holds whole numbers.
    """
    generator = np.random.default_rng(3)
    graph = Graph()
    features = size[0] * size[1] * 3
    start = graph.tensor("photo", [1, *size, 3], "int8", scale=1 / 255, zero_point=-128)
    flat = graph.tensor("flat", [1, features], "int8", scale=1 / 255, zero_point=-128)
    _reshape(graph, start, flat, (1, features))
    ends = []
    for name, head in outputs.items():
        count = int(np.prod(head.shape))
        middle = np.broadcast_to(head.middles or ((head.low + head.high) / 2,), head.shape).ravel()
        step = (head.high - head.low) / 255
        zero = int(np.clip(round(-128 - head.low / step), -128, 127))
        weights = generator.integers(-127, 128, (count, features))
        # The sum of many random weights over pixels of about a half deviates by a third of the range.
        scale = (head.high - head.low) / 3 / (73 * 0.6 * np.sqrt(features))
        w = graph.tensor(f"w_{name}", [count, features], "int8", data=weights, scale=scale)
        bias = np.round((middle - weights.sum(axis=1) * scale / 2) * 255 / scale)
        b = graph.tensor(f"b_{name}", [count], "int32", data=bias, scale=scale / 255)
        row = graph.tensor(f"row_{name}", [1, count], "int8", scale=step, zero_point=zero)
        graph.operator("FULLY_CONNECTED", [flat, w, b], [row], "FullyConnectedOptions")
        end = graph.tensor(name, [1, *head.shape], "int8", scale=step, zero_point=zero)
        _reshape(graph, row, end, (1, *head.shape))
        if head.dtype != "int8":
            stored, end = end, graph.tensor(f"real_{name}", [1, *head.shape])
            graph.operator("DEQUANTIZE", [stored], [end], "DequantizeOptions")
        if head.dtype == "int32":
            real, end = end, graph.tensor(f"whole_{name}", [1, *head.shape], "int32")
            graph.operator("CAST", [real], [end], "CastOptions")
        ends.append(end)
    return name_ends(graph.build([start], ends), ["photo"], list(outputs))


def described(content: bytes, task: dict[str, Any], labels: tuple[str, ...] = (), **photo: Any) -> bytes:
    """The model with the metadata that a run writes."""
    return write(content, Metadata("tiny", labels=labels, preprocessing=PHOTO | photo, task=task))


def _reshape(graph: Graph, source: int, target: int, shape: tuple[int, ...]) -> None:
    to = graph.tensor(f"to{target}", [len(shape)], "int32", data=np.array(shape))
    graph.operator("RESHAPE", [source, to], [target], "ReshapeOptions")


THREE = ("ant", "bee", 'c$t "the third"')
ANCHORS = {"strides": [4, 8], "scales": [1.0, 2.0], "ratios": [1.0, 2.0]}
"""12 + 4 cells of 4 boxes: 64."""
_SSD = {"name": "detection", "decode": "ssd", "boxes": "boxes", "scores": "scores", "score_threshold": 0.6}
_BOXES, _LOGITS = Head((64, 4), -6, 6), Head((64, 3), -4, 4)
_MAPS = {"heatmap": Head((4, 3, 3), 0, 1), "size": Head((4, 3, 2), 0, 1), "offset": Head((4, 3, 2), 0, 1)}

DETECTORS: dict[str, tuple[dict[str, Head], dict[str, Any], dict[str, Any]]] = {
    "ssd": (
        {"boxes": _BOXES, "scores": _LOGITS},
        _SSD | {"anchors": ANCHORS, "activation": "sigmoid", "background": "none"},
        {},
    ),
    "ssd of anchors one by one, softmax, a background, more values of a box": (
        {"boxes": Head((64, 6), -1, 1, "float32"), "scores": Head((64, 4), -4, 4, "float32")},
        _SSD
        | {"anchors": "FILE", "activation": "softmax", "background": "first", "order": "xywh", "sizes": "linear"}
        | {"variances": [0.1, 0.2, 0.3, 0.4], "iou_threshold": 0.4, "max_boxes": 20},
        {"fit": "stretch"},
    ),
    "ssd of a file by MediaPipe's rule": (
        {"boxes": Head((32, 1, 4), -6, 6), "scores": Head((32, 1, 2), 0, 1)},
        _SSD
        | {"anchors": {"rule": "mediapipe", "strides": [4, 8], "fixed_size": False}, "activation": "none"}
        | {"background": "last"},
        {"fit": "crop"},
    ),
    "centernet": (
        _MAPS,
        {"name": "detection", "decode": "centernet", "heatmap": "heatmap", "size": "size", "offset": "offset"},
        {"fit": "crop"},
    ),
    "centernet without offsets, in pixels, x first, logits": (
        {"heatmap": Head((4, 3, 3), -3, 3), "size": Head((4, 3, 2), -2, 14, "float32")},
        {"name": "detection", "decode": "centernet", "heatmap": "heatmap", "size": "size"}
        | {"units": "pixels", "order": "xy", "activation": "sigmoid", "score_threshold": 0.5},
        {},
    ),
    "fcos": (
        {"ltrb": Head((16, 4), -1, 3), "cls": Head((16, 3), -4, 4), "centre": Head((16, 1), -4, 4)},
        {"name": "detection", "decode": "fcos", "boxes": "ltrb", "scores": "cls", "centerness": "centre"}
        | {"strides": [4, 8], "activation": "sigmoid"},
        {},
    ),
    "fcos in pixels, top first, without centerness, level by level": (
        {
            "b1": Head((4, 3, 4), 0, 9),
            "b2": Head((2, 2, 4), 0, 9),
            "s1": Head((4, 3, 3), 0, 1),
            "s2": Head((2, 2, 3), 0, 1),
        },
        {"name": "detection", "decode": "fcos", "boxes": ["b1", "b2"], "scores": ["s1", "s2"]}
        | {"strides": [4, 8], "activation": "none", "order": "tlbr", "units": "pixels"},
        {"fit": "stretch"},
    ),
    "yolo_v8, values first": (
        {"output": Head((7, 40), 0, 1)},
        {"name": "detection", "decode": "yolo_v8", "output": "output", "layout": "values_first"},
        {},
    ),
    "yolo_v8 in parts, corners in pixels": (
        {"boxes": Head((40, 4), 0, 16, middles=(3.0, 4.0, 9.0, 12.0)), "scores": Head((40, 3), -3, 3)},
        {"name": "detection", "decode": "yolo_v8", "output": ["boxes", "scores"], "layout": "boxes_first"}
        | {"box_format": "xyxy", "units": "pixels", "activation": "sigmoid", "score_threshold": 0.6},
        {"fit": "crop"},
    ),
    "yolo_v5": (
        {"output": Head((40, 8), 0, 1, "float32")},
        {"name": "detection", "decode": "yolo_v5", "output": "output", "layout": "boxes_first", "box_format": "yxhw"},
        {"fit": "stretch"},
    ),
    "yolo_v5's grids": (
        {"fine": Head((4, 3, 16), -3, 3), "coarse": Head((2, 2, 2, 8), -3, 3)},
        {"name": "detection", "decode": "yolo_v5", "output": ["fine", "coarse"]}
        | {"anchors": [[[3, 4], [5, 3]], [[8, 9], [12, 14]]]},
        {},
    ),
    "postprocess": (
        {
            "boxes": Head((10, 4), 0, 1, "float32", (0.2, 0.2, 0.8, 0.8)),
            "classes": Head((10,), 0, 4, "int32"),
            "scores": Head((10,), 0, 1, "float32"),
            "count": Head((1,), 6, 10, "float32"),
        },
        {"name": "detection", "decode": "postprocess", "boxes": "boxes", "classes": "classes", "scores": "scores"}
        | {"count": "count", "first_class": 1, "box_format": "yxyx"},
        {},
    ),
}
"""By what it is: its outputs, its task, and what is other about its photos."""


def detector(name: str, folder: Path) -> bytes:
    """One of the `DETECTORS`; a file that it needs goes into the folder."""
    outputs, task, photo = DETECTORS[name]
    if task.get("anchors") == "FILE":
        anchors = np.random.default_rng(0).uniform(0.05, 0.9, (64, 4)).astype(np.float32)
        np.save(folder / "anchors.npy", anchors)
        task = task | {"anchors": str(folder / "anchors.npy")}
    return described(heads(outputs), task, THREE, **photo)


_MASK = {"name": "segmentation", "output": "mask"}
SEGMENTERS: dict[str, tuple[Head, dict[str, Any], dict[str, Any]]] = {
    "scores of a stride": (Head((4, 3, 5), 0, 1), _MASK | {"scores": "softmax"}, {}),
    "scores of the input's height, cropped": (Head((16, 5, 3), -4, 4, "float32"), _MASK, {"fit": "crop"}),
    "one channel": (Head((5, 7, 1), -3, 3), _MASK | {"threshold": 0.6}, {"fit": "stretch"}),
    "class numbers": (Head((8, 6), 0, 4, "int32"), _MASK, {}),
    "scores larger than the input": (Head((32, 24, 2), 0, 1), _MASK | {"scores": "softmax"}, {"fit": "crop"}),
}
"""By what it gives."""

_POINTS = {"name": "keypoints", "output": "points"}
POINTS: dict[str, tuple[Head, dict[str, Any], dict[str, Any]]] = {
    "coordinates": (Head((5, 2), -0.2, 1.2), _POINTS | {"points": 5}, {}),
    "in pixels, x first, with a score, flat": (
        Head((15,), 0, 16, "float32"),
        _POINTS | {"points": 5, "order": "xy", "units": "pixels"},
        {"fit": "crop"},
    ),
    "heat maps": (Head((8, 6, 5), 0, 1), _POINTS | {"points": 5}, {"fit": "stretch"}),
}
"""By what it gives."""


def segmenter(name: str) -> bytes:
    """One of the `SEGMENTERS`."""
    head, task, photo = SEGMENTERS[name]
    return described(heads({"mask": head}), task, **photo)


def of_points(name: str) -> bytes:
    """One of the `POINTS`."""
    head, task, photo = POINTS[name]
    return described(heads({"points": head}), task, ("nose", "left eye", "right eye"), **photo)
