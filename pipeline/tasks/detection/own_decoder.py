"""A decoder of the user's own: `module:function`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline import importing
from pipeline.errors import InputError, PipelineError
from pipeline.tasks.detection.candidates import Candidates
from pipeline.tasks.detection.decoder import NOT, Decoder, Roles
from pipeline.tensors import OPEN, Tensors

Function = Callable[[Tensors], Any]
"""outputs by name, [B, …] → (boxes [B, N, 4], scores [B, N, C]) or (boxes, scores [B, N], classes [B, N]).

Boxes are y_min, x_min, y_max, x_max as shares of the model's input; suppression follows."""


@dataclass(frozen=True, kw_only=True)
class OwnDecoder(Decoder):
    """What a function gives.

    Example:
        >>> def mine(outputs):
        ...     return outputs["boxes"], outputs["scores"]
        >>> decoder = OwnDecoder(outputs={}, input_size=(32, 32), reference="here:mine", function=mine)
        >>> len(decoder.decode({"boxes": np.zeros((2, 5, 4)), "scores": np.zeros((2, 5, 3))}))
        2
    """

    name = "own"
    roles: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    reads = "what its function reads"

    reference: str
    function: Function

    @classmethod
    def load(cls, reference: str, input_size: tuple[int, int]) -> OwnDecoder:
        """
        Raises:
            InputError: it cannot be imported, or is no function.
        """
        found = importing.chosen(reference, "decoder", "decode", "module:function")
        if not callable(found):
            raise InputError(f"The decoder {reference} is {type(found).__name__}, not a function.")
        return cls(outputs={}, input_size=input_size, reference=reference, function=found)

    @classmethod
    def fit(cls, outputs: Roles, classes: int) -> int:
        return NOT

    @property
    def classes(self) -> int:
        return OPEN

    def check(self) -> None:
        """The function sees what it gets."""

    def decode(self, outputs: Tensors) -> Candidates:
        try:
            given = self.function(outputs)
        except (InputError, PipelineError):
            raise
        except Exception as error:
            shapes = ", ".join(f"'{name}' {list(array.shape)}" for name, array in outputs.items())
            raise InputError(
                f"The decoder {self.reference} raised {type(error).__name__}: {error}. It was given {shapes}."
            ) from error
        try:
            boxes, scores, *classes = (np.asarray(values) for values in given)
            boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"The decoder {self.reference} gave {type(given).__name__}; it is to give boxes [B, N, 4] and scores "
                "[B, N, classes], or boxes, scores [B, N] and classes [B, N]."
            ) from error
        wanted = boxes.shape[:2] if classes else (*boxes.shape[:2], scores.shape[-1] if scores.ndim else 0)
        batch = len(next(iter(outputs.values())))
        fits = boxes.ndim == 3 and boxes.shape[0] == batch and boxes.shape[2] == 4 and scores.shape == wanted
        if not fits or len(classes) > 1 or (classes and classes[0].shape != wanted):
            shown = " and ".join(str(list(values.shape)) for values in (boxes, scores, *classes))
            raise InputError(
                f"The decoder {self.reference} gave {shown} for {batch} examples; it is to give boxes [B, N, 4] and "
                "scores [B, N, classes], or boxes, scores [B, N] and classes [B, N]."
            )
        if classes:
            return Candidates(boxes, scores[..., None], np.rint(classes[0]).astype(np.int64))
        return Candidates(boxes, scores)

    def describe(self) -> dict[str, Any]:
        return {"decode": self.reference}
