"""A .tflite model that gives all its activations, on any kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import Tensors, TensorSpec, bind
from pipeline.tflite import flatbuffer
from pipeline.tflite.kernels import Kernels, open_runner
from pipeline.tflite.signature import input_names

INPUT = "INPUT"
"""The operator of what no operator makes."""
_TYPES = {"float32", "float16", "int8", "uint8", "int16"}
"""Of the operators' outputs that are compared; shapes and indices are not. Inputs are, of any type."""


@dataclass(frozen=True)
class Activation:
    """An output of an operator, or an input of the model."""

    name: str
    """The tensor's."""
    operator: str
    """Its kind, `CONV_2D`; `INPUT` for an input of the model."""
    index: int
    """The operator's place in the graph; −1 for an input."""
    shape: tuple[int, ...]
    """Without the first dimension, the batch; as the file has it, 1 where a dimension is open."""
    sources: tuple[str, ...]
    """The activations that the operator reads."""


class Activations:
    """Runs one example at a time and gives every activation that depends on it.

    Open dimensions take the sizes of the example.

    Args:
        content: A .tflite file's content.
        kernels: What computes it.

    Raises:
        InputError: as `Runner`, or corrupt content.
    """

    def __init__(self, content: bytes, kernels: Kernels) -> None:
        self.listed, self._content, self._names = _tap(content)
        self._runner = open_runner(self._content, kernels, 1)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's, as it runs now; named by its signature, where it has one."""
        return tuple(replace(spec, name=name) for spec, name in zip(self._runner.inputs, self._names, strict=True))

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Types and scales, in the order of `listed`."""
        return (*self.inputs, *self._runner.outputs)

    def __call__(self, example: Tensors | NDArray[Any]) -> list[NDArray[Any]]:
        """The stored values for one example, in the order of `listed`, [1, ...] each.

        Args:
            example: By input name, [...] without the batch, in the units that the model was trained on; or the array of
                the one input.

        Raises:
            InputError: names, shapes or values that the model does not take.
            PipelineError: it fails while it runs.
        """
        arrays = {self._names[0]: example} if isinstance(example, np.ndarray) else example
        given = bind(arrays, self.inputs)
        # LiteRT knows the inputs of the tapped model by their tensors' names.
        named = zip(self._runner.inputs, self._names, strict=True)
        (call,) = self._runner.calls({spec.name: np.asarray(given[name])[None] for spec, name in named})
        return [_first(array, call.batch) for array in (*call.arrays, *self._runner.run(*call.arrays))]


def listed(content: bytes) -> tuple[Activation, ...]:
    """The activations of a model that depend on its inputs, the inputs first.

    Raises:
        InputError: corrupt content.
    """
    return _tap(content)[0]


def _first(array: NDArray[Any], batch: int) -> NDArray[Any]:
    """Where the graph fixes a batch, it was filled with the same example."""
    return array[:1] if batch > 1 and array.shape[:1] == (batch,) else array


def _tap(content: bytes) -> tuple[tuple[Activation, ...], bytes, list[str]]:
    """The activations, the inputs first; the model whose outputs the others are; and its signature's input names."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    names = input_names(model)

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
    sources = [
        Activation(name(index), INPUT, -1, flatbuffer.tensor_shape(graph.tensors[index])[1:], ())
        for index in graph.inputs
    ]
    # LiteRT gives outputs in the order that is written here.
    graph.outputs = list(found)
    model.signatureDefs = []
    return (*sources, *found.values()), flatbuffer.serialize(model), names
