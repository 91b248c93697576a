"""A rung that runs a .tflite file with one of LiteRT's sets of kernels."""

from __future__ import annotations

from pathlib import Path

from pipeline.tensors import Outputs, Signature, Tensors
from pipeline.tflite.kernels import Kernels, open_runner


class FlatbufferRung:
    """
    Args:
        name: See :class:`pipeline.verification.rung.Rung`.
        title: See there.
        path: The .tflite file.
        kernels: What computes it.
        batch: Examples in one call; a model that fixes its batch runs with its own.
        against: See there.

    Raises:
        InputError: as :class:`Runner`.
    """

    limit: int | None = None

    def __init__(
        self,
        name: str,
        title: str,
        path: Path,
        *,
        kernels: Kernels = "xnnpack",
        batch: int = 8,
        against: str | None = None,
    ) -> None:
        self.name, self.title, self.source, self.against = name, title, str(path), against
        self.kernels: Kernels = kernels
        self._runner = open_runner(path, kernels, batch)

    @property
    def signature(self) -> Signature:
        return self._runner.signature

    def __call__(self, inputs: Tensors) -> Outputs:
        return self._runner(inputs)
