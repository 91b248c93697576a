"""SSD: offsets from anchors beside scores, by the conventions of TensorFlow, MediaPipe, MXNet and the like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.detection.anchor_matching import match_anchors
from pipeline.tasks.detection.anchors import read_anchors
from pipeline.tasks.detection.box_coding import decode_offsets, encode_offsets, sigmoid32, softmax32
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import MAYBE, NOT, SURELY, Decoder, Roles, known, sides
from pipeline.tasks.detection.value_checks import refuse_probabilities
from pipeline.tasks.task import LossName
from pipeline.tensors import OPEN, Tensors

_ORDERS = {"yxhw": (0, 1, 2, 3), "xywh": (1, 0, 3, 2)}


@dataclass(frozen=True, kw_only=True)
class SsdDecoder(Decoder):
    """Boxes [B, A, ≥ 4] as offsets from A anchors, the first four values of each; scores [B, A, C].

    Raw outputs may be one for each level: `boxes: [level1, level2, …]`, [B, h, w, anchors · 4], `scores` likewise.
    """

    name = "ssd"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "boxes": ("box", "loc", "regress", "bbox"),
        "scores": ("score", "conf", "cls", "class", "logit"),
    }
    reads = "boxes [batch, anchors, 4] and scores [batch, anchors, classes]"

    anchors: str | dict[str, Any] | None = None
    order: Literal["yxhw", "xywh"] = "yxhw"
    """Of a box's offsets: height or width first."""
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    """What offsets are multiplied by, in their order."""
    sizes: Literal["exp", "linear"] = "exp"
    """How an offset becomes a side: as its power of e, or as it is (MediaPipe)."""
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    """What is still to be done to scores; by default a sigmoid where the model ends in none."""
    background: Literal["none", "first", "last"] = "none"
    """A class that is no object; by default the first, where the model has one class more than the data."""

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        boxes, scores = sides(outputs["boxes"][0]), sides(outputs["scores"][0])
        if len(boxes) != 2 or len(scores) != 2 or boxes[0] != scores[0] or boxes[1] < 4:
            return NOT
        return SURELY if boxes[1] == 4 and (not classes or scores[1] in (classes, classes + 1)) else MAYBE

    @cached_property
    def _anchors(self) -> NDArray[np.float32]:
        return read_anchors(self.anchors, self.input_size)

    @property
    def _columns(self) -> int:
        """Of the scores, the background among them."""
        boxes, scores = self.outputs["boxes"][0].shape, self.outputs["scores"][0].shape
        if len(boxes) == 4 and len(scores) == 4 and boxes[1:3] == scores[1:3] and scores[2] != 1:
            each = boxes[-1] // 4  # anchors of a cell
            return scores[-1] // each if each and known(boxes[-1], scores[-1]) else OPEN
        return scores[-1]

    @property
    def classes(self) -> int:
        return self._columns - (self.background != "none") if self._columns > 0 else OPEN

    @property
    def _width(self) -> int:
        """Values of a box."""
        shape = self._spec("boxes").shape
        levels = len(shape) == 4 and shape[2] != 1
        return 4 if levels or shape[-1] == OPEN else shape[-1]

    def check(self) -> None:
        counts = {}
        for role, width in (("boxes", self._width), ("scores", self._columns)):
            shapes = [spec.shape[1:] for spec in self.outputs[role]]
            if any(len(shape) < 2 for shape in shapes) or width < 1:
                raise self._refuse(f"the {role} have another shape")
            if all(known(*shape) for shape in shapes):
                counts[role] = sum(int(np.prod(shape)) for shape in shapes) / width
        if self._width < 4:
            raise self._refuse(f"a box has {self._width} values")
        if self.classes == 0:
            raise self._refuse("there is no class beside the background")
        if counts and set(counts.values()) != {len(self._anchors)}:
            given = ", ".join(f"{count:g} {role}" for role, count in counts.items())
            raise self._refuse(
                f"the model gives {given} for {len(self._anchors)} anchors: `anchors` must be those that it was "
                "trained with"
            )

    def decode(self, outputs: Tensors) -> Candidates:
        offsets = self._rows(outputs, "boxes", self._width)[..., :4][..., _ORDERS[self.order]]
        boxes = decode_offsets(offsets, self._anchors, self._scale, self.sizes == "linear")
        scores = self._rows(outputs, "scores", self._columns)
        if self.activation == "none":
            return Candidates(boxes, self._objects(scores))
        refuse_probabilities(scores, self._spec("scores").name, self.activation)
        whole = softmax32(scores) if self.activation == "softmax" else sigmoid32(scores)
        return Candidates(boxes, self._objects(whole))

    @property
    def _scale(self) -> NDArray[np.float32]:
        return np.array(self.variances, np.float32)[list(_ORDERS[self.order])]

    def _objects(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.background == "first":
            return scores[..., 1:]
        return scores[..., :-1] if self.background == "last" else scores

    @property
    def _one_of_all(self) -> bool:
        return self.background != "none"

    @property
    def losses(self) -> dict[str, LossName]:
        if any(len(specs) > 1 for specs in self.outputs.values()) or self._width != 4:
            return {}
        scores: LossName = "categorical_crossentropy" if self._one_of_all else "focal"
        return {self._spec("boxes").name: "smooth_l1", self._spec("scores").name: scores}

    def training_targets(self, boxes: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Boxes [B, A, 5]: offsets, and 1 where they count; scores [B, A, C].

        Rows of anchors that are neither an object nor none are −1; with a background class 0 throughout.
        """
        matched = match_anchors(boxes, self._anchors, self.classes)
        offsets = encode_offsets(matched.boxes, self._anchors, self._scale, self.sizes == "linear")
        places = np.concatenate(
            [offsets[..., _ORDERS[self.order]], matched.positive[..., None].astype(np.float32)], axis=-1
        )
        scores = matched.scores(self.classes)
        if self.background != "none":
            none = (~matched.positive & ~matched.ignored)[..., None].astype(np.float32)
            scores = np.maximum(scores, 0)
            scores = np.concatenate([none, scores] if self.background == "first" else [scores, none], axis=-1)
        shapes = {role: self._spec(role).shape for role in ("boxes", "scores")}
        found = {"boxes": places, "scores": scores}
        return {
            self._spec(role).name: values.reshape(len(values), *shapes[role][1:-1], values.shape[-1])
            if known(*shapes[role][1:])
            else values
            for role, values in found.items()
        }
