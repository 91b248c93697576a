"""A rung of the ladder: one form of the model, or one set of kernels, that answers examples.

Whatever answers batches can be a rung: the ladder knows nothing of how. A rung that answers slowly (an emulator, a
phone) says with `limit` how many examples it is given.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.tensors import Predictor


class Rung(Predictor, Protocol):
    """A :class:`~pipeline.tensors.Predictor` with a name and a place on the ladder."""

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
