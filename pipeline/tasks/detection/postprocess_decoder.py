"""The four outputs of TensorFlow Lite's operator TFLite_Detection_PostProcess: boxes that are suppressed already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import NOT, SURELY, Decoder, Roles
from pipeline.tensors import OPEN, Tensors, TensorSpec


@dataclass(frozen=True, kw_only=True)
class PostprocessDecoder(Decoder):
    """Boxes [B, N, 4], classes [B, N], scores [B, N] and their count [B] (or none), as the operator gives them in this
    order; the operator fills up what is behind the count."""

    name = "postprocess"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "boxes": ("box", "location"),
        "classes": ("class", "categor"),
        "scores": ("score", "conf"),
        "count": ("count", "num"),
    }
    optional = ("count",)
    suppresses = True
    reads = "boxes [batch, N, 4], classes [batch, N], scores [batch, N] and count [batch]"

    box_format: Literal["yxyx", "xyxy"] = "yxyx"
    first_class: int = 0
    """The number that the model gives the data's first class."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        boxes = outputs["boxes"][0].shape[1:]
        if len(boxes) != 2 or boxes[1] != 4:
            return NOT
        for role in ("classes", "scores"):
            if outputs[role][0].shape[1:] != boxes[:1]:
                return NOT
        if "count" in outputs and outputs["count"][0].shape[1:] not in ((), (1,)):
            return NOT
        places = {spec.name: place for place, spec in enumerate(_in_order(outputs))}
        return SURELY + ([places[outputs[role][0].name] for role in ("boxes", "classes", "scores")] == [0, 1, 2])

    @property
    def classes(self) -> int:
        return OPEN

    def check(self) -> None:
        boxes = self._spec("boxes").shape[1:]
        if len(boxes) != 2 or boxes[-1] not in (4, OPEN):
            raise self._refuse("the boxes have another shape")

    def decode(self, outputs: Tensors) -> Candidates:
        boxes = self._read(outputs, "boxes").astype(np.float32)
        if self.box_format == "xyxy":
            boxes = boxes[..., (1, 0, 3, 2)]
        batch, count = boxes.shape[:2]
        scores = self._read(outputs, "scores").astype(np.float32).reshape(batch, count)
        if "count" in self.outputs:
            given = self._read(outputs, "count").reshape(batch, 1)
            scores = np.where(np.arange(count) < np.rint(given), scores, np.float32(-1))
        with np.errstate(invalid="ignore"):  # NaN has no score that counts
            numbers = np.rint(self._read(outputs, "classes")).astype(np.int64)
        classes = numbers.reshape(batch, count) - self.first_class
        return Candidates(boxes, scores[..., None], classes)


def _in_order(outputs: Roles) -> list[TensorSpec]:
    return sorted((specs[0] for specs in outputs.values()), key=lambda spec: _number(spec.name))


def _number(name: str) -> tuple[str, int]:
    """TensorFlow names an operator's outputs NAME, NAME:1, NAME:2, …"""
    stem, _, number = name.rpartition(":")
    return (stem, int(number)) if stem and number.isdigit() else (name, 0)
