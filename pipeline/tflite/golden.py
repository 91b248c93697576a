"""The golden pair: inputs that anybody can make again, and a checksum of what the model answers to them.

A full-int8 model computes in integers alone, so under XNNPACK an x86 host and an ARM phone answer the same bytes. Where
the checksum that a file carries is not what a device answers, the file was changed or the device computes otherwise.

The inputs depend on nothing but the shapes and types of the model's inputs, and on the number of rows where one holds
indices into a table: SHAKE-256 (FIPS 202) of a fixed text gives the bytes, so that any language can make them. Half of
the examples are noise value by value; in the other half it is as coarse as images are.

Bytes are taken as they are. Booleans are a byte's lowest bit; other integers a little-endian word of four bytes, modulo
their bound (`index_bounds`). Version 1 had nothing but bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.tflite.index_bounds import UNKNOWN, index_bounds
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner

VERSION = 2
EXAMPLES = 8
_TEXT = "keras-int8-pipeline golden input {version} {example} {place}"
_CELLS = (1, 8)
"""Sides of the squares, in pixels, that hold one value: the examples take turns."""
_BYTES = ("int8", "uint8")
_INDICES = ("int32", "int64")
_TYPES = {1: _BYTES, 2: (*_BYTES, *_INDICES, "bool")}
"""Of inputs, by version."""


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


def inputs(
    specs: Sequence[TensorSpec], example: int, *, bounds: Sequence[int] | None = None, version: int = VERSION
) -> list[NDArray[Any]]:
    """One example: an array for each of the model's inputs, of its shape and type.

    Args:
        specs: Of the model's inputs, in its order.
        example: Which one, from 0.
        bounds: What each input's values stay below where they are no bytes (`index_bounds`); `UNKNOWN` by default.
        version: Of the recipe.

    Raises:
        InputError: an input of a type that the version has no values for.
    """
    known = bounds if bounds is not None else [UNKNOWN] * len(specs)
    return [
        _values(spec, example, place, bound, version)
        for place, (spec, bound) in enumerate(zip(specs, known, strict=True))
    ]


def pair(model: Path | bytes, examples: int = EXAMPLES, version: int = VERSION) -> Golden | None:
    """Run the golden inputs under XNNPACK on one thread.

    Returns:
        None for a model that takes, gives or computes with floats: its answers may differ in the last bits from device
        to device.

    Raises:
        InputError: as `Runner`.
        PipelineError: the model fails while it runs.
    """
    runner = Runner(model)
    if any(spec.dtype.name not in _TYPES[version] for spec in runner.inputs):
        return None
    if any(spec.dtype.kind not in "iub" for spec in runner.outputs) or inspect(model).float_operators:
        return None
    bounds = index_bounds(model)
    given, answered = hashlib.sha256(), hashlib.sha256()
    for example in range(examples):
        arrays = inputs(runner.inputs, example, bounds=bounds, version=version)
        for array in arrays:
            given.update(array.tobytes())
        for output in runner.run(*arrays):
            answered.update(output.tobytes())
    return Golden(version, examples, given.hexdigest(), answered.hexdigest())


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
        known = golden.version in _TYPES and 0 < golden.examples <= 1000
    except TypeError:
        known = False
    if not known:
        raise InputError(
            f"The golden pair in the model's metadata is not one that this version knows ({stated}). Check it with the "
            "version that wrote it, or export the model again."
        )
    return golden


def _values(spec: TensorSpec, example: int, place: int, bound: int, version: int) -> NDArray[Any]:
    if spec.dtype.name not in _TYPES[version]:
        raise InputError(
            f"Golden inputs are {', '.join(_TYPES[version])}; the input '{spec.name}' holds {spec.dtype}, of which "
            "devices may round values differently."
        )
    cell = _CELLS[example % len(_CELLS)]
    image = len(spec.shape) == 4
    coarse = tuple(-(-side // cell) if image and axis in (1, 2) else side for axis, side in enumerate(spec.shape))
    text = _TEXT.format(version=version, example=example, place=place)
    values = _read(hashlib.shake_256(text.encode()), spec.dtype, math.prod(coarse), bound).reshape(coarse)
    if image and cell > 1:
        values = values.repeat(cell, axis=1).repeat(cell, axis=2)[:, : spec.shape[1], : spec.shape[2]]
    return np.ascontiguousarray(values)


def _read(stream: Any, dtype: np.dtype[Any], count: int, bound: int) -> NDArray[Any]:
    if dtype.name in _INDICES:
        words = np.frombuffer(stream.digest(4 * count), "<u4")
        return (words % bound).astype(dtype)
    values = np.frombuffer(stream.digest(count), np.uint8)
    return (values & 1).astype(dtype) if dtype.name == "bool" else values.view(dtype)
