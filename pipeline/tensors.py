"""Named tensors: what a model takes and gives, and the batches that are fed to it.

One input is the case of one entry. Names are those of the model's signature where it has one, else its tensors'.

>>> spec = TensorSpec("x", (-1, 2), np.dtype(np.int8), 0.5, 10)
>>> spec.quantize([[1.0, -1.0]])
array([[12,  8]], dtype=int8)
>>> Signature((spec,), ()).input("x").shape
(-1, 2)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import InputError, did_you_mean

Array = NDArray[Any]
OPEN = -1
INPUT, TARGET = "x", "y"
"""What one input and one target are called where nothing names them."""
_Value = TypeVar("_Value")
Tensors = Mapping[str, Array]
"""Arrays by tensor name; of a batch, each with the examples along its first axis."""


@dataclass(frozen=True)
class TensorSpec:
    """What an input or output holds; `real = scale · (stored − zero_point)` where it is quantized."""

    name: str
    shape: tuple[int, ...]
    """The batch first; `OPEN` (−1, as in TFLite) for a dimension that is open."""
    dtype: np.dtype[Any]
    scale: float | None = None
    """None where the tensor is not quantized."""
    zero_point: int = 0

    def quantize(self, x: ArrayLike) -> Array:
        """Values of any shape as the tensor stores them.

        Where it is quantized: `round(x / scale) + zero_point` in float32, halves away from zero, clipped to the type's
        range, as TFLite's QUANTIZE operator converts them. Float tensors cast. Integers and booleans without a scale
        (token ids, counts, flags) are taken as they are.

        Raises:
            InputError: x holds NaN, or what an integer tensor without a scale cannot hold.
        """
        if self.dtype.kind == "f":
            return np.asarray(x, self.dtype)
        if self.scale is None:
            return self._as_it_is(np.asarray(x))
        real = np.asarray(x, dtype=np.float32)
        if np.isnan(real).any():
            raise InputError(
                f"The values given for '{self.name}' hold NaN, which {self.dtype} cannot store. "
                "Look at what prepares the data: a mean or a standard deviation may be wrong."
            )
        limits = np.iinfo(self.dtype)
        with np.errstate(over="ignore"):
            scaled = real / np.float32(self.scale)
        # Clipping to whole numbers before rounding gives the same as after it, and bears infinity.
        scaled = np.clip(scaled, limits.min - self.zero_point, limits.max - self.zero_point)
        whole = np.trunc(scaled)
        # np.round takes halves to even, and floor(x + 0.5) is off by one just below a half in float32.
        rounded = whole + np.copysign(np.abs(scaled - whole) >= 0.5, scaled)
        return np.asarray(rounded + self.zero_point, self.dtype)

    def dequantize(self, stored: Array) -> Array:
        """Stored values of any shape as real ones: float32, or the integers themselves where they have no scale."""
        if self.dtype.kind == "f":
            return stored.astype(np.float32)
        if self.scale is None:
            return stored
        return (stored.astype(np.int32) - self.zero_point).astype(np.float32) * np.float32(self.scale)

    def same_steps(self, other: TensorSpec) -> bool:
        """Whether both hold integers of the same type, scale and zero point, so that steps can be counted."""
        own = (self.dtype, self.scale, self.zero_point)
        return self.dtype.kind in "iu" and own == (other.dtype, other.scale, other.zero_point)

    def _as_it_is(self, x: Array) -> Array:
        stored = x.astype(self.dtype, casting="unsafe")
        if x.dtype != self.dtype and not np.array_equal(stored, x):
            raise InputError(
                f"'{self.name}' takes {self.dtype} as it is, without a scale, and was given {x.dtype} values that "
                f"{self.dtype} cannot hold (from {x.min():g} to {x.max():g}). Give whole numbers in its range."
            )
        return stored

    def __str__(self) -> str:
        return f"'{self.name}' {self.dtype} {show_shape(self.shape)}"


@dataclass(frozen=True)
class Signature:
    """A model's inputs and outputs, in its own order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def input(self, name: str) -> TensorSpec:
        """
        Raises:
            InputError: no such input; the nearest name is told.
        """
        return _find(self.inputs, name, "input")

    def output(self, name: str) -> TensorSpec:
        """
        Raises:
            InputError: no such output; the nearest name is told.
        """
        return _find(self.outputs, name, "output")


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples as a model takes them, and what is known about them."""

    inputs: Tensors
    targets: Tensors
    """Labels, values or masks by name; empty where nothing is known."""

    def __len__(self) -> int:
        return batch_size(self.inputs)

    def __getitem__(self, part: slice) -> Batch:
        """Some of its examples."""
        return Batch(take(self.inputs, part), take(self.targets, part))


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model answers to a batch."""

    stored: dict[str, Array]
    """By output name, in the model's own types: float32, or integers with a scale."""
    specs: Mapping[str, TensorSpec]

    @cached_property
    def real(self) -> dict[str, Array]:
        """By output name, dequantized: float32, or integers that have no scale."""
        return {name: self.specs[name].dequantize(stored) for name, stored in self.stored.items()}

    def __len__(self) -> int:
        return batch_size(self.stored)

    def __getitem__(self, part: slice) -> Outputs:
        """The answers to some of the examples."""
        return Outputs(take(self.stored, part), self.specs)

    @classmethod
    def of_real(cls, values: Tensors) -> Outputs:
        """What a model that is no .tflite answers: its values are the real ones."""
        arrays = {name: np.asarray(value) for name, value in values.items()}
        specs = {name: TensorSpec(name, (OPEN, *array.shape[1:]), array.dtype) for name, array in arrays.items()}
        return cls(arrays, specs)

    @classmethod
    def concatenate(cls, parts: Sequence[Outputs]) -> Outputs:
        """One after the other; at least one part."""
        first = parts[0]
        return cls({name: np.concatenate([part.stored[name] for part in parts]) for name in first.stored}, first.specs)


class Predictor(Protocol):
    """Whatever answers batches: a .tflite, a Keras model, an emulated CPU, a phone, an ONNX session."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""

    def __call__(self, inputs: Tensors) -> Outputs:
        """Answer any number of examples, given in the units that the model was trained on.

        Raises:
            InputError: the model does not take them.
            PipelineError: it fails on them.
        """


def only(tensors: Tensors) -> Array:
    """The one array of a mapping that has one.

    Raises:
        InputError: there are none, or several.
    """
    if len(tensors) != 1:
        raise InputError(f"One tensor is needed here, and there are {len(tensors)}: {', '.join(tensors) or 'none'}.")
    return next(iter(tensors.values()))


def batch_size(tensors: Tensors) -> int:
    """How many examples a batch holds; 0 for an empty mapping.

    Raises:
        InputError: the arrays disagree.
    """
    sizes = {name: len(array) for name, array in tensors.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"'{name}' {size}" for name, size in sizes.items())
        raise InputError(f"The tensors of one batch hold different numbers of examples: {listed}.")
    return next(iter(sizes.values()), 0)


def take(tensors: Tensors, part: slice) -> dict[str, Array]:
    """Some of the examples of every array."""
    return {name: array[part] for name, array in tensors.items()}


def first_examples(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    """Batches of the first `count` examples of a stream."""
    for batch in batches:
        yield batch[:count]
        count -= len(batch)
        if count <= 0:
            return


def bind(given: Mapping[str, _Value], specs: Sequence[TensorSpec], what: str = "input") -> dict[str, _Value]:
    """Arrays, or whatever belongs to them, under the names of a model's tensors.

    One array is taken for the one tensor whatever the two are called. Otherwise names must be the same; what exporters
    put around them (`serving_default_NAME:0`) does not count.

    Args:
        given: By the data's names.
        specs: The model's.
        what: How messages call them.

    Raises:
        InputError: a name that the model does not have (with the nearest one), or one that is missing.
    """
    if len(given) == len(specs) == 1:
        return {specs[0].name: next(iter(given.values()))}
    plain = {_plain(spec.name): spec.name for spec in specs}
    found: dict[str, _Value] = {}
    for name, value in given.items():
        own = name if any(spec.name == name for spec in specs) else plain.get(_plain(name))
        if own is None:
            names = [spec.name for spec in specs]
            raise InputError(f"The model has no {what} '{name}'; it has {_listed(names)}.{did_you_mean(name, names)}")
        found[own] = value
    missing = [spec.name for spec in specs if spec.name not in found]
    if missing:
        raise InputError(
            f"The model's {what} {_listed(missing)} is not given; the data has {_listed(list(given))}. Name it as the "
            "model does."
        )
    return {spec.name: found[spec.name] for spec in specs}


def check_fits(array: Array, spec: TensorSpec, where: str) -> None:
    """
    Args:
        array: A batch.
        spec: What the model takes.
        where: Whose tensor it is, for the message.

    Raises:
        InputError: another shape than the model takes, the batch aside.
    """
    own, wanted = array.shape[1:], spec.shape[1:]
    if len(own) != len(wanted) or any(side not in (OPEN, given) for side, given in zip(wanted, own, strict=True)):
        raise InputError(
            f"{where} takes {show_shape(wanted)} as '{spec.name}' and was given {show_shape(own)}. The data's "
            "preprocessing must give the model's shape."
        )


def in_order(given: Tensors, specs: Sequence[TensorSpec], where: str) -> list[Array]:
    """A batch as a model takes it: its inputs in its order, as it stores them.

    Args:
        given: [B, …] by the data's names.
        specs: What the model takes.
        where: Whose inputs they are, for messages.

    Raises:
        InputError: as `bind`, `check_fits` and `TensorSpec.quantize`.
    """
    own = bind(given, specs)
    for spec in specs:
        check_fits(own[spec.name], spec, where)
    return [spec.quantize(own[spec.name]) for spec in specs]


def show_shape(shape: Sequence[int | str]) -> str:
    """As messages show it; `?` for an open dimension."""
    return f"[{', '.join('?' if side == OPEN else str(side) for side in shape)}]"


def _find(specs: Sequence[TensorSpec], name: str, what: str) -> TensorSpec:
    for spec in specs:
        if spec.name == name:
            return spec
    names = [spec.name for spec in specs]
    raise InputError(f"The model has no {what} '{name}'; it has {_listed(names)}.{did_you_mean(name, names)}")


def _plain(name: str) -> str:
    return name.removeprefix("serving_default_").partition(":")[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"
