"""Inputs of a model and what this host's LiteRT makes of them, to compare a device's answer with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.device.results import Parity
from pipeline.errors import InputError
from pipeline.tensors import Array


@dataclass(frozen=True)
class Golden:
    """One inference, as raw bytes of the tensors in the model's order."""

    inputs: tuple[bytes, ...]
    shapes: tuple[tuple[int, ...], ...]
    """Of the inputs."""
    outputs: Mapping[str, bytes]
    """By output name."""

    @property
    def answer(self) -> bytes:
        """All outputs, one after the other."""
        return b"".join(self.outputs.values())

    def parity(self, answer: bytes) -> Parity:
        """How a device's outputs, one after the other, compare byte for byte.

        Bytes that are missing count as different in the output that lacks them, bytes too many in all.
        """
        differing: dict[str, int] = {}
        start = 0
        for name, expected in self.outputs.items():
            found = answer[start : start + len(expected)]
            ours, theirs = (np.frombuffer(content[: len(found)], np.uint8) for content in (expected, found))
            differing[name] = int(np.count_nonzero(ours != theirs)) + len(expected) - len(found)
            start += len(expected)
        total = sum(differing.values()) + max(0, len(answer) - start)
        return Parity(golden=True, identical=total == 0, differing_bytes=total, differing_by_output=differing)


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
        {spec.name: array.tobytes() for spec, array in zip(runner.outputs, outputs, strict=True)},
    )


def split(answer: bytes, like: Sequence[Array]) -> list[Array]:
    """A device's outputs, one after the other, as arrays of the given ones' shapes and types."""
    arrays, start = [], 0
    for array in like:
        content = answer[start : start + array.nbytes]
        arrays.append(np.frombuffer(content, array.dtype).reshape(array.shape))
        start += array.nbytes
    return arrays
