"""A .tflite model that gives all its activations, on any kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.kernels import Kernels, open_runner

_TYPES = {"float32", "int8", "uint8", "int16"}


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

    def __call__(self, example: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The stored values for one example [...], in the order of `listed`."""
        # Where the graph fixes a batch, it is filled with the same example.
        x = np.repeat(example[None], self._runner.inputs[0].shape[0], axis=0)
        stored = self._runner.inputs[0].quantize(x)
        return [stored, *self._runner.run(stored)]


def listed(content: bytes) -> tuple[Activation, ...]:
    """The activations of a model that depend on its input, the input first.

    Raises:
        InputError: corrupt content.
    """
    return _tap(content)[0]


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
