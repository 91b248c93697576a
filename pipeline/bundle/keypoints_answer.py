"""The contract of a model of keypoints: where they lie in an app's photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.bundle.literals import Literals, number
from pipeline.bundle.located_answer import LocatedAnswer, Read
from pipeline.placement import Placement
from pipeline.tasks.keypoints import Keypoints
from pipeline.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class KeypointsAnswer(LocatedAnswer):
    """`Contract.keypoints`."""

    kind = "points"
    template = "Keypoints"
    test = "KeypointsTest"
    task: Keypoints

    @property
    def sources(self) -> tuple[str, ...]:
        return "Keypoint", "PointReader", "Placement", "Outputs"

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.task.output.name,)

    @property
    def usage(self) -> tuple[str, str]:
        return "List<Keypoint>", "found = Contract.keypoints(outputs, height, width)"

    @property
    def _values(self) -> int:
        """Of each point; 1 of a heat map."""
        task = self.task
        return 1 if task.maps else int(np.prod(task.output.shape[1:])) // self._count

    @property
    def _count(self) -> int:
        task = self.task
        return task.output.shape[-1] if task.maps else task.points if task.points > 0 else task.output.shape[1]

    def values(self, literals: Literals, read: Read) -> dict[str, object]:
        task = self.task
        rows, columns = task.output.shape[1:3] if task.maps else (0, 0)
        units = task.input_size if task.units == "pixels" and not task.maps else (1, 1)
        first = 1 if task.order == "xy" else 0
        reader = literals.new("PointReader", rows, columns, self._count, self._values, first, *map(number, units))
        return {"labels": literals.strings(self.labels), "reader": reader, "read": read(self.outputs)}

    def vectors(self, outputs: Tensors, placement: Placement) -> dict[str, Array]:
        """float32 [K, 3]: y and x in pixels of the photo, score."""
        values = outputs[self.task.output.name]
        places = placement.to_image(self.task.answer(values)[0].astype(np.float64)).astype(np.float32)
        return {self.kind: np.concatenate([places, self._scores(values)[:, None]], axis=1)}

    def _scores(self, values: Array) -> Array:
        if self.task.maps:
            return np.asarray(values.reshape(-1, self._count).max(axis=0), np.float32)
        rows = values.reshape(self._count, -1).astype(np.float32)
        return rows[:, 2] if rows.shape[1] > 2 else np.ones(len(rows), np.float32)

    def describe(self) -> dict[str, Any]:
        task = self.task
        return {
            "output": task.output.name,
            "output_holds": "heat maps" if task.maps else f"{self._values} values a point",
            "points": self._count,
            **({} if task.maps else {"units": task.units, "order": task.order}),
            "columns": ["y", "x", "score"],
            "tolerance": {"score": 0, "pixels": 1e-3},
        }
