"""A rung of the ladder: one form of the model, or one set of kernels, that answers examples.

Whatever answers float examples can be a rung: the ladder knows nothing of how. A rung that answers slowly (an emulator,
a phone) says with `limit` how many examples it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import TensorSpec

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a rung answers to a batch."""

    stored: NDArray[Any]
    """[B, C] in the model's own type: float32 scores, or integers with a scale."""
    spec: TensorSpec | None
    """The output tensor's type and scale; None for a model that is no .tflite, whose `stored` is float32."""

    @property
    def scores(self) -> Float:
        """float32 [B, C]."""
        return np.asarray(self.stored, np.float32) if self.spec is None else self.spec.dequantize(self.stored)

    def comparable(self, other: Outputs) -> bool:
        """Whether both hold integers of the same type, scale and zero point, so that steps can be counted."""
        if self.spec is None or other.spec is None or self.spec.scale is None:
            return False
        return (self.spec.dtype, self.spec.scale, self.spec.zero_point) == (
            other.spec.dtype,
            other.spec.scale,
            other.spec.zero_point,
        )


class Rung(Protocol):
    """One rung."""

    @property
    def name(self) -> str:
        """By which recipes and JSON know it, for example `xnnpack`."""

    @property
    def title(self) -> str:
        """What it is, in a phrase, for example `int8 under XNNPACK`."""

    @property
    def source(self) -> str:
        """The file that is run."""

    @property
    def against(self) -> str | None:
        """The name of the rung that it is compared with; None: the one above it, if there is one."""

    @property
    def limit(self) -> int | None:
        """It is given the first so many examples; None: all."""

    def run(self, batch: Float) -> Outputs:
        """Answer examples, float32 [B, ...] in the units that the model was trained on. B may vary.

        Raises:
            InputError: the model does not take them.
            PipelineError: it fails on them.
        """
