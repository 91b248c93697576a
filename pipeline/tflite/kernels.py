"""Which of LiteRT's sets of kernels computes a model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.errors import InputError
from pipeline.tflite.runner import Runner

Kernels = Literal["xnnpack", "builtin", "reference"]
"""XNNPACK, as a phone runs it; TFLite's own optimized kernels; its reference kernels, plain loops."""


def open_runner(model: Path | bytes, kernels: Kernels = "xnnpack", batch: int = 1, *, threads: int = 1) -> Runner:
    """A runner with this batch, or with the model's own where its graph fixes one.

    Raises:
        InputError: as :class:`Runner`.
    """

    def run(size: int | None) -> Runner:
        return Runner(
            model, batch=size, threads=threads, xnnpack=kernels == "xnnpack", reference=kernels == "reference"
        )

    if batch < 1:
        return run(batch)  # which says what is wrong
    try:
        return run(batch)
    except InputError:  # the graph fixes its batch; any other fault is raised again from here
        return run(None)
