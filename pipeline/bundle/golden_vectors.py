"""Vectors that prove an app's pre- and postprocessing: what goes in and what must come out, byte for byte."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle.contract import Contract, Input, Output
from pipeline.bundle.located_answer import LocatedAnswer
from pipeline.data import recordings
from pipeline.data.preprocess import AudioPreprocessor, ImagePreprocessor
from pipeline.errors import InputError
from pipeline.recipe import Preprocess
from pipeline.tasks.class_scores import softmax
from pipeline.tensors import Tensors, TensorSpec, show_shape
from pipeline.tflite.runner import Runner

Array = NDArray[Any]

FOLDER = "golden"
_MOST_BYTES = 1 << 28
"""Of the inputs and outputs of all examples; the vectors are some times as much."""


@dataclass(frozen=True, eq=False)
class Given:
    """An example as it is handed over."""

    origin: str
    """Where it is from, for people."""
    stored: Tensors
    """By input name, as the data has it; images as uint8 [H, W, C]."""
    real: Tensors
    """By input name, preprocessed by the data, [...]; empty where only the contract can do it."""


@dataclass(frozen=True, eq=False)
class InputVectors:
    """What one input of an example becomes."""

    stored: Array
    """As the data has it: images as uint8 [H, W, C] (or float32, where the data is), waveforms, others of any shape."""
    values: Array
    """What the generated `encode` takes: an image in the model's channels and size, the features of a sound, other
    numbers as they are stored; uint8, float32 or integers."""
    input: Array
    """The input tensor in its own type."""


@dataclass(frozen=True, eq=False)
class OutputVectors:
    """What one output of an example means."""

    output: Array
    """The output tensor in its own type."""
    real: Array
    """The output, dequantized: float32, or the integers themselves, in one row."""
    probabilities: NDArray[np.float32] | None
    """One a class; None for values."""


@dataclass(frozen=True, eq=False)
class Example:
    """One example from the data to the answer."""

    origin: str
    inputs: dict[str, InputVectors]
    outputs: dict[str, OutputVectors]


@dataclass(frozen=True, eq=False)
class Rounding:
    """Halves between all stored values of an input, their neighbours and what lies outside."""

    values: NDArray[np.float32]
    stored: Array


@dataclass(frozen=True, eq=False)
class Answer:
    """What is found in a photo, given the model's outputs."""

    name: str
    """Of its files."""
    photo: tuple[int, int]
    """Height and width in pixels."""
    outputs: dict[str, Array]
    """In their own types."""
    found: dict[str, Array]
    """By the endings of the files; see `LocatedAnswer.vectors`."""
    drawn: bool
    """The outputs are no model's: they have many boxes that overlap and equal scores, whatever the examples show."""


@dataclass(frozen=True, eq=False)
class Golden:
    """All vectors of a bundle."""

    examples: tuple[Example, ...]
    every_pixel: dict[str, Array]
    """By image input, in its type, [256, C]: what each value of each channel becomes."""
    rounding: dict[str, Rounding]
    """By quantized input."""
    answers: tuple[Answer, ...] = ()
    """Of models that find something in a photo."""


def check_size(contract: Contract, count: int) -> None:
    """See that the vectors of so many examples can lie in an app, before any is made.

    Raises:
        InputError: they cannot.
    """
    tensors = [*(source.tensor for source in contract.inputs), *(target.tensor for target in contract.outputs)]
    size = sum(math.prod(max(1, side) for side in spec.shape) * max(4, spec.dtype.itemsize) for spec in tensors)
    if count * size > _MOST_BYTES:
        raise InputError(
            f"The inputs and outputs of one example hold {size / 1e6:,.0f} MB, and a bundle holds {count}, of "
            f"{_MOST_BYTES / 1e6:,.0f} MB at most. Take fewer (--examples), or a model of smaller inputs."
        )


def make(contract: Contract, model: bytes, examples: Sequence[Given]) -> Golden:
    """Run examples through the preprocessing and the model.

    Args:
        contract: Of the model.
        model: The .tflite content.
        examples: At least one.

    Raises:
        InputError: an example does not become an input of the model.
        PipelineError: the runtime gave up.
    """
    runner = Runner(model, shapes=[source.tensor.shape for source in contract.inputs])
    made = tuple(_example(contract, runner, given) for given in examples)
    images = [source for source in contract.inputs if source.kind == "image"]
    quantized = [source.tensor for source in contract.inputs if source.tensor.scale is not None]
    return Golden(
        examples=made,
        every_pixel={source.tensor.name: _every_pixel(source) for source in images},
        rounding={spec.name: _rounding(spec) for spec in quantized if spec.dtype.kind in "iu"},
        answers=() if contract.located is None else tuple(_answers(contract, contract.located, made)),
    )


def noise(contract: Contract, count: int) -> Iterator[Given]:
    """Seeded examples for a model without data at hand; images larger than the input, so that the resize is tried."""
    generator = np.random.default_rng(0)
    for index in range(count):
        stored = {source.tensor.name: _noise(source, generator, index) for source in contract.inputs}
        yield Given(f"noise {index}", stored, {})


def scaled(source: Input, values: Array) -> NDArray[np.float32]:
    """Values as the model was trained on them, by the contract's own formula in float32."""
    made = ImagePreprocessor(Preprocess(**source.image.model_dump() | {"size": None, "channels": None}))(values)
    return standardized(source, made)


def standardized(source: Input, made: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scaled values by the contract's own mean and standard deviation, if there are any."""
    standard = source.standard
    if standard is None:
        return made
    entries = np.arange(made.size).reshape(made.shape) // standard.inner % len(standard.mean)
    mean, std = np.array(standard.mean, np.float32), np.array(standard.std, np.float32)
    return np.asarray((made - mean[entries]) / std[entries], np.float32)


def _noise(source: Input, generator: np.random.Generator, index: int) -> Array:
    shape = source.tensor.shape[1:]
    if source.kind == "image":
        recipe = source.image
        height, width = (side + 3 + 5 * index for side in shape[:2]) if recipe.size else shape[:2]
        channels = 3 if recipe.channels else shape[2]
        ramp = np.linspace(0, 255, height * width).reshape(height, width, 1)
        texture = generator.integers(-60, 61, (height, width, channels))
        return np.clip(ramp + texture, 0, 255).astype(np.uint8)
    if source.kind == "audio":
        length = max(1, int(source.preprocessing["samples"]) + 500 * (index - 1))  # shorter, right and longer
        tones = np.sin(np.arange(length) * generator.uniform(0.02, 1.0, (4, 1))).sum(axis=0)
        sound: Array = (0.2 * tones + 0.05 * generator.normal(size=length)).clip(-1, 1).astype(np.float32)
        return sound
    if source.as_integers:  # often indices, which must stay inside some table
        return generator.integers(0, 2, shape).astype(source.tensor.dtype)
    values: Array = generator.normal(0, 1, shape)
    if source.scale == "mean_std":
        values = values * np.array(source.preprocessing["std"]) + np.array(source.preprocessing["mean"])
    return values.astype(np.float32)


def _example(contract: Contract, runner: Runner, given: Given) -> Example:
    made = {
        source.tensor.name: _input(
            source, given.origin, given.stored[source.tensor.name], given.real.get(source.tensor.name)
        )
        for source in contract.inputs
    }
    answered = runner.run(*(vectors.input for vectors in made.values()))
    return Example(
        given.origin,
        made,
        {
            target.tensor.name: _output(target, output)
            for target, output in zip(contract.outputs, answered, strict=True)
        },
    )


def _input(source: Input, origin: str, raw: Array, real: Array | None) -> InputVectors:
    stored, values = raw, raw
    if source.kind in ("image", "values") and not source.as_integers:
        stored = raw if raw.dtype == np.uint8 else raw.astype(np.float32)
        if source.kind == "image" and stored.ndim == 2:
            stored = stored[..., None]
        as_stored = source.image.model_copy(update={"scale": "raw", "mean": None, "std": None})
        values = ImagePreprocessor(as_stored)(stored)
        if stored.dtype == np.uint8:
            values = values.astype(np.uint8)
        real = scaled(source, values)
    elif source.as_integers:
        real = raw if real is None else real
        values = _integers(real, source.tensor.name)
    elif source.kind == "audio":
        stored = recordings.as_float(raw)
        values = AudioPreprocessor(source.audio)(stored)
        real = standardized(source, values)
    else:
        stored = values = raw.astype(np.float32)
        real = scaled(source, values) if real is None else real.astype(np.float32)
    shape = source.tensor.shape
    if real.shape == shape[1:] and real.shape != shape:
        real = real[None]
    if real.shape != shape:
        raise InputError(
            f"{origin} becomes {show_shape(real.shape)}, but the model takes {show_shape(shape[1:])}: set "
            "data.preprocess.size and channels to the model's."
            if source.kind == "image"
            else f"{origin} becomes {show_shape(real.shape)} as '{source.tensor.name}', but the model takes "
            f"{show_shape(shape)}: name the data that it was made for."
        )
    return InputVectors(stored, values, source.tensor.quantize(real))


def _integers(values: Array, name: str) -> Array:
    """As the generated code takes them: int32."""
    whole = values.astype(np.int32)
    if not np.array_equal(whole, values):
        raise InputError(f"The generated code takes whole numbers of 32 bits as '{name}', and the data has others.")
    return whole


def _output(target: Output, output: Array) -> OutputVectors:
    real = np.asarray(target.tensor.dequantize(output)).reshape(-1)
    shares = None if target.reading == "values" else _probabilities(target, real)
    return OutputVectors(output, real if real.dtype == np.float32 else real.astype(np.int32), shares)


def _answers(contract: Contract, located: LocatedAnswer, examples: Sequence[Example]) -> Iterator[Answer]:
    for number, example in enumerate(examples):
        height, width = example.inputs[located.photo].stored.shape[:2]
        outputs = {name: vectors.output for name, vectors in example.outputs.items()}
        yield _answer(contract, located, str(number), (height, width), outputs, drawn=False)
    generator = np.random.default_rng(0)
    for number, photo in enumerate(_photo_sizes(located.size)):
        drawn = {
            target.tensor.name: _drawn([example.outputs[target.tensor.name].output for example in examples], generator)
            for target in contract.outputs
        }
        try:
            yield _answer(contract, located, f"drawn{number}", photo, drawn, drawn=True)
        except InputError:  # a decoder may see that they are no detector's
            continue


def _answer(
    contract: Contract,
    located: LocatedAnswer,
    name: str,
    photo: tuple[int, int],
    outputs: dict[str, Array],
    *,
    drawn: bool,
) -> Answer:
    real = {target.tensor.name: target.tensor.dequantize(outputs[target.tensor.name]) for target in contract.outputs}
    return Answer(name, photo, outputs, located.vectors(real, located.placement(*photo)), drawn)


def _photo_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """A photo that is broader than the input, and one that is higher."""
    height, width = size
    return (height + 1, 2 * width + 3), (3 * height // 2 + 2, width)


def _drawn(outputs: Sequence[Array], generator: np.random.Generator) -> Array:
    """Values between the least and the greatest of those at the same place of the last axis, all as likely."""
    like = outputs[0]
    rows = np.concatenate([array.reshape(-1, array.shape[-1] if array.ndim else 1) for array in outputs])
    low, high = rows.min(axis=0), rows.max(axis=0)
    if like.dtype.kind == "f":
        return generator.uniform(low, high, like.shape).astype(like.dtype)
    return generator.integers(low.astype(np.int64), high.astype(np.int64) + 1, like.shape).astype(like.dtype)


def _probabilities(target: Output, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    activated = target.ending != "none"
    if target.reading == "labels":
        return scores if activated else _sigmoid(scores)
    if len(scores) == 1:  # one unit: the probability of class 1 of two
        one = scores[0] if activated else _sigmoid(scores)[0]
        return np.array([1 - one, one], np.float32)
    if activated:
        return scores
    return softmax(scores.astype(np.float64)).astype(np.float32)


def _sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = (1 / (1 + np.exp(-scores.astype(np.float64)))).astype(np.float32)
    return shares


def _every_pixel(source: Input) -> Array:
    channels = source.tensor.shape[-1]
    values = np.repeat(np.arange(256, dtype=np.uint8)[:, None], channels, axis=1)
    return source.tensor.quantize(scaled(source, values[None])[0])


def _rounding(spec: TensorSpec) -> Rounding:
    limits = np.iinfo(spec.dtype)
    values = _halves(spec, int(limits.min), int(limits.max))
    return Rounding(values, spec.quantize(values))


def _halves(source: TensorSpec, low: int, high: int) -> NDArray[np.float32]:
    """Real values that fall on halves between stored ones (some of 16 bits), their float32 neighbours, and far ones."""
    step = max(1, (high - low) // 255)
    halves = np.arange(low - 2, high + 3, step, dtype=np.float64) + 0.5
    real = ((halves - source.zero_point) * np.float64(np.float32(source.scale or 1))).astype(np.float32)
    far = np.array([0.0, -0.0, 1e30, -1e30, np.inf, -np.inf], np.float32)
    return np.concatenate([real, np.nextafter(real, np.float32(np.inf)), np.nextafter(real, np.float32(-np.inf)), far])
