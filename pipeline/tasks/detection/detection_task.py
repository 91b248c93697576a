"""Boxes of classes in an image: COCO's average precision, and how many boxes two models agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.boxes import CLASS, COLUMNS, X_MAX
from pipeline.errors import InputError, did_you_mean
from pipeline.tasks.class_scores import activated
from pipeline.tasks.detection.average_precision import PrecisionCurves
from pipeline.tasks.detection.box_coding import overlaps
from pipeline.tasks.detection.candidates import Detections, detect
from pipeline.tasks.detection.coco_matching import MOST, ImageMatches, match
from pipeline.tasks.detection.decoder import Decoder
from pipeline.tasks.drawable import BoxesAnswer, Drawable
from pipeline.tasks.single_output import check_count, check_numbers, find
from pipeline.tasks.spatial_targets import placements_of, without_placements
from pipeline.tasks.task import Endings, LossName, Metric, Task
from pipeline.tensors import OPEN, Signature, Tensors, TensorSpec, batch_size, show_shape

METRICS = (Metric("ap", "AP", "%"), Metric("ap50", "AP50", "%"), Metric("ap75", "AP75", "%"))
_THRESHOLDS = {"ap": range(10), "ap50": (0,), "ap75": (5,)}
_BY_SIZE = {"ap_small": 1, "ap_medium": 2, "ap_large": 3}
AGREED = 0.5
"""Overlap from which on two models' boxes are the same."""

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class Detection(Task):
    """Outputs as a decoder reads them; targets [B, M, 7] as `pipeline.boxes` has them, and their placement.

    `ap` is COCO's: the mean over overlaps of 0.50, 0.55, …, 0.95 and over the classes that have objects, of at most 100
    boxes of a class in an image. It is counted over all scores from `lowest_score` on, since precision at a high recall
    belongs to it; `score_threshold` is for what a model answers: agreement, pictures, the app.
    """

    name = "detection"
    decoder: Decoder
    class_names: tuple[str, ...] = ()
    """Of the data."""
    endings: Endings = field(default_factory=dict)
    """What the model's last operators do to its outputs."""
    cut: bool = False
    """Whether the outputs come without these."""

    target: str | None = None
    score_threshold: Share = 0.3
    """The least score of a box that is answered."""
    lowest_score: Share = 0.01
    """The least score of a box that the metrics look at."""
    iou_threshold: Share = 0.5
    """Boxes of a class that overlap by more are one object."""
    max_boxes: Annotated[int, Field(ge=1, le=1000)] = MOST
    """In an image."""
    metric: Literal["ap", "ap50", "ap75"] | None = None
    """The one that decides."""
    loss: Literal["as_compiled", "distillation"] | None = None
    """What training minimizes; the decoder's losses by default."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(sorted(METRICS, key=lambda metric: metric.name != self.metric))

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.decoder.input_size

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        names = [spec.name for spec in model.outputs]
        for specs in self.decoder.outputs.values():
            for spec in specs:
                if spec.name not in names and len(names) != 1:
                    raise InputError(
                        f"The task detection reads the output '{spec.name}', which the model does not have; it has "
                        f"{', '.join(names)}.{did_you_mean(spec.name, names)}"
                    )
        self.decoder.check()
        there = without_placements(targets)
        if not there:
            raise InputError(
                "The task detection judges by boxes, and the data has no targets. Give it boxes, or judge without: "
                "task: fidelity."
            )
        target = find(self.target, there, "the task 'detection'", "target")
        if len(target.shape) != 3 or target.shape[2] != COLUMNS or target.dtype.kind != "f":
            raise InputError(
                f"Detection is judged by boxes [batch, boxes, {COLUMNS}], and the target '{target.name}' is "
                f"{target.dtype} {show_shape(target.shape)}. Name the target that holds boxes, and say what it is: "
                f"data.targets.{target.name}.kind=boxes."
            )
        known, given = self.decoder.classes, len(self.class_names)
        if OPEN != known < given:
            raise InputError(
                f"The data has {given} classes ({', '.join(self.class_names[:10])}{', …' if given > 10 else ''}) and "
                f"the model tells {known} apart, as the decoder {self.decoder.name} reads it. The data's classes must "
                "be the model's, in its order: train or choose a model of as many, or look whether a background class, "
                "an objectness or another layout is meant."
            )

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.object_]:
        """[B] of `ImageMatches`."""
        there = without_placements(targets)
        name = self.target if self.target in there else next(iter(there), "")
        rows = np.asarray(find(self.target, there, "the task 'detection'", "target"))
        check_count(rows, batch_size(outputs), "the boxes")
        self._check_classes(rows, name)
        for specs in self.decoder.outputs.values():
            for spec in specs:
                if spec.name in outputs:
                    check_numbers(np.asarray(outputs[spec.name]), spec.name)
        places = placements_of(targets, name, len(rows), self.input_size)
        found = np.empty(len(rows), np.object_)
        for index, answer in enumerate(self.answers(outputs, self.lowest_score)):
            objects = rows[index][rows[index][:, CLASS] >= 0].astype(np.float64)
            objects[:, : X_MAX + 1] = places[index].to_image(objects[:, : X_MAX + 1].reshape(-1, 2, 2)).reshape(-1, 4)
            boxes = places[index].to_image(answer.boxes.astype(np.float64).reshape(-1, 2, 2)).reshape(-1, 4)
            found[index] = match(boxes, answer.scores, answer.classes, objects)
        return found

    def _check_classes(self, rows: NDArray[Any], name: str) -> None:
        known = self.decoder.classes
        if rows.ndim != 3 or rows.shape[2] != COLUMNS:
            raise InputError(f"The target '{name}' holds {list(rows.shape)}; boxes are [batch, boxes, {COLUMNS}].")
        if known != OPEN and rows.size and rows[..., CLASS].max() >= known:
            raise InputError(
                f"The model tells the classes 0 to {known - 1} apart, and the target '{name}' holds the class "
                f"{rows[..., CLASS].max():g}. The data's classes must be the model's."
            )

    def answers(self, outputs: Tensors, score_threshold: float | None = None) -> Iterator[Detections]:
        """The boxes of each example, as shares of the input.

        Args:
            outputs: Real values by output name, [B, …].
            score_threshold: Another one than the task's.
        """
        if self.cut:
            outputs = self._whole(outputs)
        least = self.score_threshold if score_threshold is None else score_threshold
        overlap = None if self.decoder.suppresses else self.iou_threshold
        return detect(self.decoder.decode(outputs), least, overlap, self.max_boxes)

    def _whole(self, outputs: Tensors) -> Tensors:
        """Outputs that were cut before their last operator, with it; a reshape between the two was cut too."""
        shapes = {spec.name: spec.shape[1:] for specs in self.decoder.outputs.values() for spec in specs}
        found = {}
        for name, values in outputs.items():
            shape = shapes.get(name, values.shape[1:])
            same = OPEN not in shape and int(np.prod(shape)) == int(np.prod(values.shape[1:]))
            values = values.reshape(len(values), *shape) if same else values
            found[name] = activated(values, self.endings.get(name, "none"))
        return found

    def finalize(self, statistics: NDArray[Any]) -> NDArray[Any]:
        """
        Raises:
            InputError: no example has an object.
        """
        if not any(image.counted[0].any() for image in statistics):
            raise InputError(
                f"None of the {len(statistics)} examples has a box that counts, so there is no average precision. Look "
                "at the data's annotations and splits; without boxes, models are compared by task: fidelity."
            )
        return statistics

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        """The metrics, then AP by size of the objects, and of each class."""
        images: list[ImageMatches] = list(statistics)
        once = np.ones(len(images), np.int64)
        curves = PrecisionCurves(images)
        by_class = curves.of_sample(once)
        found = {name: _mean(by_class[:, list(thresholds)]) for name, thresholds in _THRESHOLDS.items()}
        found |= {name: PrecisionCurves(images, area).mean(once) for name, area in _BY_SIZE.items()}
        for number, values in zip(curves.classes, by_class, strict=True):
            named = self.class_names[number] if number < len(self.class_names) else str(number)
            found[f"ap_of.{named}"] = float(values.mean())
        return found

    def resampling(self, statistics: NDArray[Any]) -> Callable[[NDArray[np.int64]], float]:
        return PrecisionCurves(list(statistics), thresholds=_THRESHOLDS[self.metrics[0].name]).mean

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """2 · matches / boxes of both, of answers from `score_threshold` on; 1 where neither has any.

        A match is a box of the same class that overlaps by at least 0.5, each taken once, the largest overlaps first.
        """
        pairs = zip(self.answers(reference), self.answers(other), strict=True)
        broken = _not_numbers(reference) | _not_numbers(other)
        return np.where(broken, 0.0, [_same(one, two) for one, two in pairs])

    def before_activation(self) -> Detection:
        return replace(self, cut=True)

    @property
    def losses(self) -> Mapping[str, LossName]:
        if self.loss == "distillation":
            return {}
        own = self.decoder.losses
        return dict.fromkeys(own, "as_compiled") if self.loss == "as_compiled" else own

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        there = without_placements(targets)
        boxes = np.asarray(find(self.target, there, "the task 'detection'", "target"))
        self._check_classes(boxes, self.target or next(iter(there)))
        return dict(self.decoder.training_targets(boxes))

    def drawn_outputs(self, outputs: Tensors) -> list[Drawable]:
        return [BoxesAnswer(found.boxes, found.classes, found.scores) for found in self.answers(outputs)]

    def drawn_targets(self, targets: Tensors) -> list[Drawable]:
        rows = np.asarray(find(self.target, without_placements(targets), "the task 'detection'", "target"))
        objects = [row[row[:, CLASS] >= 0] for row in rows]
        return [BoxesAnswer(own[:, : X_MAX + 1], own[:, CLASS].astype(np.int64)) for own in objects]

    def curves(self, statistics: Mapping[str, NDArray[Any]]) -> dict[int, dict[str, NDArray[np.float64]]]:
        """At an overlap of 0.5."""
        found: dict[int, dict[str, NDArray[np.float64]]] = {}
        for model, images in statistics.items():
            curves = PrecisionCurves(list(images), thresholds=_THRESHOLDS["ap50"])
            precision = curves.precision(np.ones(len(images), np.int64))[:, 0]
            for number, own in zip(curves.classes.tolist(), precision, strict=True):
                found.setdefault(int(number), {})[model] = own
        return found

    def describe(self) -> dict[str, Any]:
        shown = ("target", "score_threshold", "lowest_score", "iou_threshold", "max_boxes", "metric", "loss")
        own = {name: getattr(self, name) for name in shown if getattr(self, name) is not None}
        return {"name": self.name, **self.decoder.describe(), **own}


OPTIONS = tuple(one.name for one in fields(Detection) if one.name not in ("decoder", "class_names", "endings", "cut"))
"""Of the task in a recipe, beside the decoder's."""


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _not_numbers(outputs: Tensors) -> NDArray[np.bool_]:
    """Of each example."""
    values = [array for array in outputs.values() if array.dtype.kind == "f"]
    broken = np.zeros(batch_size(outputs), np.bool_)
    for array in values:
        broken |= np.isnan(array).reshape(len(array), -1).any(axis=1)
    return broken


def _same(first: Detections, second: Detections) -> float:
    if not len(first) or not len(second):
        return float(len(first) == len(second))
    shares = overlaps(first.boxes.astype(np.float64), second.boxes.astype(np.float64))
    shares[(first.classes[:, None] != second.classes) | (shares < AGREED)] = 0
    matches = 0
    while shares.max() > 0:
        one, two = np.unravel_index(int(shares.argmax()), shares.shape)
        shares[one], shares[:, two] = 0, 0
        matches += 1
    return 2 * matches / (len(first) + len(second))
