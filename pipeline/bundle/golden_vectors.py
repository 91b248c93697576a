"""Vectors that prove an app's pre- and postprocessing: what goes in and what must come out, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle.contract import Contract
from pipeline.data.preprocess import Preprocessor
from pipeline.errors import InputError
from pipeline.recipe import Preprocess
from pipeline.tensors import TensorSpec
from pipeline.tflite.runner import Runner

Array = NDArray[Any]

FOLDER = "golden"


@dataclass(frozen=True, eq=False)
class Example:
    """One example on its way through."""

    origin: str
    """Where it is from, for people."""
    stored: Array
    """As the data has it: images as uint8 [H, W, C] (or float32, where the data is), others as float32 of any shape."""
    pixels: Array
    """Channels and size as the model's, not scaled yet: uint8 [h, w, c], or float32."""
    input: Array
    """The input tensor in its own type, [1, …]."""
    output: Array
    """The output tensor in its own type, [1, C]."""
    scores: NDArray[np.float32]
    """The output, dequantized: [C]."""
    probabilities: NDArray[np.float32]
    """[classes]"""


@dataclass(frozen=True, eq=False)
class Golden:
    """All vectors of a bundle."""

    examples: tuple[Example, ...]
    every_pixel: Array | None
    """The input's type, [256, C]: what each value of each channel becomes; None for an input that is no image."""
    rounding_values: NDArray[np.float32] | None
    """Halves between all stored values, their neighbours and what lies outside; None for a float input."""
    rounding_stored: Array | None
    """What they are stored as."""


def make(contract: Contract, model: bytes, examples: Sequence[tuple[str, Array]]) -> Golden:
    """Run examples through the pipeline's own preprocessing and the model.

    Args:
        contract: Of the model.
        model: The .tflite content.
        examples: Each with its origin; images as uint8 [H, W, C].

    Raises:
        InputError: an example does not become an input of the model.
        PipelineError: the runtime gave up.
    """
    runner = Runner(model, shapes=[contract.input.shape])
    source = runner.inputs[0]
    made = tuple(_example(contract, runner, origin, raw) for origin, raw in examples)
    limits = None if source.dtype.kind == "f" else np.iinfo(source.dtype)
    halves = None if limits is None else _halves(source, int(limits.min), int(limits.max))
    return Golden(
        examples=made,
        every_pixel=_every_pixel(contract, source) if contract.image else None,
        rounding_values=halves,
        rounding_stored=None if halves is None else source.quantize(halves),
    )


def noise(contract: Contract, count: int) -> Iterator[tuple[str, Array]]:
    """Seeded examples for a model without data at hand; images larger than the input, so that the resize is tried."""
    generator = np.random.default_rng(0)
    shape = contract.input.shape[1:]
    for index in range(count):
        if contract.image:
            height, width = (side + 3 + 5 * index for side in shape[:2]) if contract.preprocess.size else shape[:2]
            channels = 3 if contract.preprocess.channels else shape[2]
            ramp = np.linspace(0, 255, height * width).reshape(height, width, 1)
            texture = generator.integers(-60, 61, (height, width, channels))
            yield f"noise {index}", np.clip(ramp + texture, 0, 255).astype(np.uint8)
        else:
            yield f"noise {index}", generator.normal(0, 1, shape).astype(np.float32)


def _example(contract: Contract, runner: Runner, origin: str, raw: Array) -> Example:
    stored = raw if contract.image and raw.dtype == np.uint8 else raw.astype(np.float32)
    if contract.image and stored.ndim == 2:
        stored = stored[..., None]
    to_pixels = Preprocessor(contract.preprocess.model_copy(update={"scale": "raw", "mean": None, "std": None}))
    pixels = to_pixels(stored)
    real = Preprocessor(contract.preprocess)(stored)
    if (1, *real.shape) != contract.input.shape:
        raise InputError(
            f"{origin} becomes {list(real.shape)}, but the model takes {list(contract.input.shape[1:])}: set "
            "data.preprocess.size and channels to the model's."
        )
    source, target = runner.inputs[0], runner.outputs[0]
    quantized = source.quantize(real[None])
    (output,) = runner.run(quantized)
    scores = target.dequantize(output)[0]
    return Example(
        origin=origin,
        stored=stored,
        pixels=pixels.astype(np.uint8) if stored.dtype == np.uint8 else pixels,
        input=quantized,
        output=output,
        scores=scores,
        probabilities=_probabilities(contract, scores),
    )


def _probabilities(contract: Contract, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(scores) == 1:  # one unit: the probability of class 1 of two
        one = scores[0] if contract.ending != "none" else 1 / (1 + np.exp(-np.float64(scores[0])))
        return np.array([1 - one, one], np.float32)
    if contract.ending != "none":
        return scores
    powers = np.exp(scores.astype(np.float64) - np.float64(scores.max()))
    shares: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
    return shares


def _every_pixel(contract: Contract, source: TensorSpec) -> Array:
    channels = contract.input.shape[-1]
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], channels, axis=1)
    scale = Preprocess(**contract.preprocess.model_dump() | {"size": None, "channels": None})
    return source.quantize(Preprocessor(scale)(values[None])[0])


def _halves(source: TensorSpec, low: int, high: int) -> NDArray[np.float32]:
    """Real values that fall on halves between stored ones (some of 16 bits), their float32 neighbours, and far ones."""
    step = max(1, (high - low) // 255)
    halves = np.arange(low - 2, high + 3, step, dtype=np.float64) + 0.5
    real = ((halves - source.zero_point) * np.float64(np.float32(source.scale or 1))).astype(np.float32)
    far = np.array([0.0, -0.0, 1e30, -1e30, np.inf, -np.inf], np.float32)
    return np.concatenate([real, np.nextafter(real, np.float32(np.inf)), np.nextafter(real, np.float32(-np.inf)), far])
