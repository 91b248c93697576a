"""A golden pair: inputs of a model and what this host's LiteRT makes of them, to compare a device's answer with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.device.results import Parity
from pipeline.errors import InputError


@dataclass(frozen=True)
class Golden:
    """One inference, as raw bytes of the tensors in the model's order."""

    inputs: tuple[bytes, ...]
    shapes: tuple[tuple[int, ...], ...]
    """Of the inputs."""
    outputs: bytes
    """All outputs, one after the other."""

    def parity(self, answer: bytes) -> Parity:
        """How a device's outputs compare, byte for byte; bytes too many or too few count as different."""
        size = min(len(answer), len(self.outputs))
        ours, theirs = (np.frombuffer(content[:size], np.uint8) for content in (self.outputs, answer))
        differing = int(np.count_nonzero(ours != theirs)) + abs(len(answer) - len(self.outputs))
        return Parity(golden=True, identical=differing == 0, differing_bytes=differing)


def golden(model: Path) -> Golden:
    """Run a model once on this host, on the inputs that the host's benchmark uses.

    Raises:
        InputError: no model, or an input that is neither float, integer nor boolean.
        PipelineError: it fails while it runs.
    """
    from pipeline.benchmarking.inputs import random_inputs
    from pipeline.tflite.runner import Runner

    runner = Runner(model)
    inputs = random_inputs(runner)
    outputs = runner.run(*inputs)
    if not outputs:
        raise InputError(f"'{model}' has no outputs.")
    return Golden(
        tuple(array.tobytes() for array in inputs),
        tuple(array.shape for array in inputs),
        b"".join(array.tobytes() for array in outputs),
    )
