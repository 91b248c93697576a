"""The contract of a detector: which boxes an app is to show, and where they lie in its photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.bundle.decoder_code import anchors_of, code_of
from pipeline.bundle.literals import Literals
from pipeline.bundle.located_answer import LocatedAnswer, Read
from pipeline.placement import Placement
from pipeline.tasks.detection.candidates import MOST
from pipeline.tasks.detection.detection_task import Detection
from pipeline.tensors import Array, Tensors

SUPPRESSION = (
    "pairs of a box and a class whose score is >= score_threshold, in the order of the boxes, then of the classes",
    f"the highest scores first, of equal ones the earlier pair, at most {MOST}",
    "one after the other: taken unless a box of its class that was taken before overlaps it by more than iou_threshold "
    "(intersection over union in float32), until there are max_boxes",
    "clipped to the input, then to the photo; what lies beside the photo is left out",
)
SCORE_TOLERANCE, PIXEL_TOLERANCE = 1e-6, 1e-3
"""Of generated code: e^x is rounded to float32 from float64, whose last bit languages do not share."""


@dataclass(frozen=True, kw_only=True)
class DetectionAnswer(LocatedAnswer):
    """`Contract.detections`; a decoder of the user's own has golden vectors, but no code."""

    kind = "boxes"
    template = "Detections"
    test = "DetectionsTest"
    task: Detection

    @property
    def sources(self) -> tuple[str, ...]:
        code = code_of(self.task.decoder)
        common = ("Detection", "Placement", "Candidates", "Suppression", "Activation", "Outputs")
        return () if code is None else (*common, *code.sources)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(spec.name for specs in self.task.decoder.outputs.values() for spec in specs)

    @property
    def usage(self) -> tuple[str, str]:
        return "List<Detection>", "found = Contract.detections(outputs, height, width)"

    def values(self, literals: Literals, read: Read) -> dict[str, object]:
        task, code = self.task, code_of(self.task.decoder)
        assert code is not None
        reads = [read([spec.name for spec in specs]) if specs else "null" for specs in code.reads]
        return {
            "labels": literals.strings(self.labels),
            "decoder_type": code.name,
            "decoder": code.write(literals),
            "reads": ", ".join(reads),
            "most": MOST,
            "score_threshold": f"{np.float32(task.score_threshold)!s}f",
            "iou_threshold": f"{np.float32(2 if task.decoder.suppresses else task.iou_threshold)!s}f",
            "max_boxes": task.max_boxes,
        }

    def vectors(self, outputs: Tensors, placement: Placement) -> dict[str, Array]:
        """float32 [n, 6]: class, score, top, left, bottom, right in pixels of the photo."""
        (found,) = self.task.answers(outputs)
        corners = placement.to_image(found.boxes.astype(np.float64).reshape(-1, 2, 2)).reshape(-1, 4)
        sides = np.array([placement.height, placement.width] * 2)
        edges = np.clip(corners, 0, sides).astype(np.float32)
        inside = (edges[:, 0] < edges[:, 2]) & (edges[:, 1] < edges[:, 3])
        rows = np.concatenate([found.classes[:, None].astype(np.float32), found.scores[:, None], edges], axis=1)
        return {self.kind: rows[inside].astype(np.float32)}

    def describe(self) -> dict[str, Any]:
        task, decoder = self.task, self.task.decoder
        anchors = anchors_of(decoder)
        return {
            **decoder.describe(),
            **({} if anchors is None else {"anchors_made": anchors.to_json()}),
            "input_size": list(decoder.input_size),
            "score_threshold": task.score_threshold,
            "iou_threshold": None if decoder.suppresses else task.iou_threshold,
            "max_boxes": task.max_boxes,
            "steps": list(SUPPRESSION[:2] + SUPPRESSION[3:] if decoder.suppresses else SUPPRESSION),
            "columns": ["class", "score", "top", "left", "bottom", "right"],
            "tolerance": {"classes": 0, "score": SCORE_TOLERANCE, "pixels": PIXEL_TOLERANCE},
        }
