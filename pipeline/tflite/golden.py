"""The golden pair: inputs that anybody can make again, and a checksum of what the model answers to them.

A full-int8 model computes in integers alone, so under XNNPACK an x86 host and an ARM phone answer the same bytes. Where
the checksum that a file carries is not what a device answers, the file was changed or the device computes otherwise.

The inputs hang on nothing but the shape and type of the model's input: SHAKE-256 (FIPS 202) of a fixed text gives the
bytes, so that any language can make them. Half of the examples are noise value by value; in the other half it is as
coarse as images are.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.tflite.runner import Runner

VERSION = 1
EXAMPLES = 8
_TEXT = "keras-int8-pipeline golden input {version} {example} {place}"
_CELLS = (1, 8)
"""Sides of the squares, in pixels, that hold one value: the examples take turns."""
_BYTES = ("int8", "uint8")


@dataclass(frozen=True)
class Golden:
    """A golden pair's checksums."""

    version: int
    """Of the recipe for the inputs."""
    examples: int
    input_sha256: str
    """Over all examples' inputs in turn, as the model stores them."""
    output_sha256: str
    """Over all examples' outputs in turn."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def inputs(specs: tuple[TensorSpec, ...], example: int) -> list[NDArray[Any]]:
    """One example: an array for each of the model's inputs, of its shape and type.

    Raises:
        InputError: an input that does not hold bytes.
    """
    return [_values(spec, example, place) for place, spec in enumerate(specs)]


def pair(model: Path | bytes, examples: int = EXAMPLES) -> Golden | None:
    """Run the golden inputs under XNNPACK on one thread.

    Returns:
        None for a model whose inputs and outputs are not all 8-bit integers: its answers may differ in the last bits
        from device to device.

    Raises:
        InputError: as `Runner`.
        PipelineError: the model fails while it runs.
    """
    runner = Runner(model)
    if any(spec.dtype.name not in _BYTES for spec in (*runner.inputs, *runner.outputs)):
        return None
    given, answered = hashlib.sha256(), hashlib.sha256()
    for example in range(examples):
        arrays = inputs(runner.inputs, example)
        for array in arrays:
            given.update(array.tobytes())
        for output in runner.run(*arrays):
            answered.update(output.tobytes())
    return Golden(VERSION, examples, given.hexdigest(), answered.hexdigest())


def of(facts: dict[str, Any]) -> Golden | None:
    """What a file's provenance says; None where it says nothing.

    Raises:
        InputError: it is not what this program writes, or of a newer version.
    """
    stated = facts.get("golden")
    if stated is None:
        return None
    try:
        golden = Golden(**stated)
        known = golden.version == VERSION and 0 < golden.examples <= 1000
    except TypeError:
        known = False
    if not known:
        raise InputError(
            f"The golden pair in the model's metadata is not one that this version knows ({stated}). Check it with the "
            "version that wrote it, or export the model again."
        )
    return golden


def _values(spec: TensorSpec, example: int, place: int) -> NDArray[Any]:
    if spec.dtype.name not in _BYTES:
        raise InputError(f"Golden inputs are bytes; the input '{spec.name}' holds {spec.dtype}.")
    cell = _CELLS[example % len(_CELLS)]
    image = len(spec.shape) == 4
    coarse = tuple(-(-side // cell) if image and axis in (1, 2) else side for axis, side in enumerate(spec.shape))
    text = _TEXT.format(version=VERSION, example=example, place=place)
    stream = hashlib.shake_256(text.encode()).digest(math.prod(coarse))
    values = np.frombuffer(stream, np.uint8).view(spec.dtype).reshape(coarse)
    if image and cell > 1:
        values = values.repeat(cell, axis=1).repeat(cell, axis=2)[:, : spec.shape[1], : spec.shape[2]]
    return np.ascontiguousarray(values)
