"""A .tflite model that gives all its activations, and which of them are the same in two files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import TensorSpec
from pipeline.verify.flatbuffer_rung import Kernels, open_runner
from pipeline.verify.rung import Float

_TYPES = {"float32", "int8", "uint8", "int16"}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_FEW = 0.5
"""Below this share of names in common, files are matched by their operators' order."""


@dataclass(frozen=True)
class Activation:
    """An output of an operator, or the model's input."""

    name: str
    operator: str
    """Its kind, `CONV_2D`; `INPUT` for the model's input."""
    index: int
    """The operator's place in the graph; −1 for the input."""
    shape: tuple[int, ...]
    """Without the batch."""
    sources: tuple[str, ...]
    """The activations that the operator reads."""


class Activations:
    """Runs one example at a time and gives every activation that depends on it.

    Args:
        content: A .tflite file's content; one input.
        kernels: What computes it.

    Raises:
        InputError: as `Runner`, or corrupt content.
    """

    def __init__(self, content: bytes, kernels: Kernels) -> None:
        self.listed, tapped = _tap(content)
        self._runner = open_runner(tapped, kernels, 1)

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Types and scales, in the order of `listed`."""
        return (*self._runner.inputs, *self._runner.outputs)

    def __call__(self, example: Float) -> list[NDArray[Any]]:
        """The stored values for one example [...], in the order of `listed`."""
        # Where the graph fixes a batch, it is filled with the same example.
        x = np.repeat(example[None], self._runner.inputs[0].shape[0], axis=0)
        stored = self._runner.inputs[0].quantize(x)
        return [stored, *self._runner.run(stored)]


def _tap(content: bytes) -> tuple[tuple[Activation, ...], bytes]:
    """The activations, the input first, and the model whose outputs they are."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]

    def name(index: int) -> str:
        return flatbuffer.tensor_name(graph.tensors[index])

    reached = set(graph.inputs)
    found: dict[int, Activation] = {}
    for place, operator in enumerate(graph.operators):
        if reached.isdisjoint(operator.inputs):
            continue
        reached |= set(operator.outputs)
        kind = flatbuffer.operator_name(model, operator)
        read = tuple(name(index) for index in operator.inputs if index in reached)
        for output in operator.outputs:
            tensor = graph.tensors[output]
            if flatbuffer.tensor_type(tensor) in _TYPES:
                found[output] = Activation(name(output), kind, place, flatbuffer.tensor_shape(tensor)[1:], read)
    source = graph.tensors[graph.inputs[0]]
    entry = Activation(name(graph.inputs[0]), "INPUT", -1, flatbuffer.tensor_shape(source)[1:], ())
    # LiteRT gives outputs in the order that is written here.
    graph.outputs = list(found)
    model.signatureDefs = []
    return (entry, *found.values()), flatbuffer.serialize(model)


def matched(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    """Places of the same activation in two files, in the lower's order: by name, else by the operators' order.

    The inputs, which stand first in both, always match.
    """
    places = {activation.name: place for place, activation in enumerate(upper) if place}
    pairs = [
        (places[own.name], place)
        for place, own in enumerate(lower)
        if place and own.name in places and upper[places[own.name]].shape == own.shape
    ]
    countable = [own for own in lower[1:] if own.operator not in _CONVERSIONS]
    if len(pairs) < _FEW * len(countable):
        pairs = _by_order(upper, lower)
    return [(0, 0), *pairs]


def _by_order(upper: Sequence[Activation], lower: Sequence[Activation]) -> list[tuple[int, int]]:
    sides = [
        [place for place, own in enumerate(side) if place and own.operator not in _CONVERSIONS]
        for side in (upper, lower)
    ]
    keys = [
        [(side[place].operator, side[place].shape) for place in places]
        for side, places in zip((upper, lower), sides, strict=True)
    ]
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    return [
        (sides[0][block.a + step], sides[1][block.b + step])
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
