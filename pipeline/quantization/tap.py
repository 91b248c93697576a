"""A "tapped" copy of a float flatbuffer, whose activations are all outputs, and runs of it under XNNPACK.

Such a copy runs with XNNPACK, threads and small batches. An interpreter that is told to preserve all tensors cannot
use XNNPACK and is several times slower (`benchmarks/calibration.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.errors import InputError
from pipeline.tensors import OPEN, Array, Signature, Tensors, TensorSpec, batch_size, bind, check_fits
from pipeline.tflite.flatbuffer import operator_name, read, serialize, tensor_name, tensor_shape
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import sign_outputs

Inputs = Callable[[], Iterable[Tensors]]
"""Goes through the calibration examples once a call: batches [B, ...] by the model's input names, preprocessed."""

_RELUS = (schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.RELU6)

BATCH = 4
"""Examples a run; more lose to the cache."""


def tap(content: bytes) -> tuple[list[str], bytes]:
    """A copy of the model whose outputs are all its float activations.

    Returns:
        The activations' names in the order of the copy's outputs, and the copy.
    """
    model = read(content)
    graph = model.subgraphs[0]
    indices = _made(graph)
    with_outputs(model, indices)
    return [tensor_name(graph.tensors[index]) for index in indices], serialize(model)


def with_outputs(model: schema.ModelT, indices: Sequence[int]) -> None:
    """Make these tensors of the main graph the model's outputs, in place; its inputs keep their names."""
    graph = model.subgraphs[0]
    names = [tensor_name(graph.tensors[index]) for index in indices]
    unique = [name if names.index(name) == place else f"{name}_{place}" for place, name in enumerate(names)]
    graph.outputs = [int(index) for index in indices]
    sign_outputs(model, unique)


def activations(content: bytes) -> list[str]:
    """Names of the model's float32 inputs and of every float32 tensor that an operator makes."""
    graph = read(content).subgraphs[0]
    return [tensor_name(graph.tensors[index]) for index in (*float_inputs(graph), *_made(graph))]


def float_inputs(graph: schema.SubGraphT) -> list[int]:
    """Those that can be quantized; others are fed as they are."""
    return [int(index) for index in graph.inputs if graph.tensors[index].type == schema.TensorType.FLOAT32]


def _made(graph: schema.SubGraphT) -> list[int]:
    made = {int(output) for operator in graph.operators for output in operator.outputs}
    return sorted(index for index in made if graph.tensors[index].type == schema.TensorType.FLOAT32)


def nonnegative(content: bytes) -> frozenset[str]:
    """Names of the activations that cannot be below zero, by the operator that makes them."""
    model = read(content)
    graph = model.subgraphs[0]
    return frozenset(
        tensor_name(graph.tensors[output])
        for operator in graph.operators
        for output in operator.outputs
        if getattr(operator.builtinOptions, "fusedActivationFunction", 0) in _RELUS
        or operator_name(model, operator) in ("RELU", "RELU6", "SOFTMAX", "LOGISTIC")
    )


@dataclass(frozen=True, eq=False)
class Piece:
    """Some examples, as a model takes them in one run."""

    inputs: dict[str, Array]
    """By the model's input names, in its order, types and shapes."""
    examples: int
    batch: int
    """The examples that the arrays hold: more than `examples` where the last one is repeated to fill a fixed batch."""

    @property
    def arrays(self) -> tuple[Array, ...]:
        return tuple(self.inputs.values())

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(array.shape for array in self.inputs.values())

    def own(self, output: Array) -> Array:
        """What the model gave for the piece's examples, without what it gave for repeated ones."""
        return output[: self.examples] if self.examples < self.batch and len(output) == self.batch else output

    def by_example(self, output: Array) -> Array:
        """An output with the examples along its first axis, which a model without a batch dimension does not have."""
        if output.shape[:1] != (self.batch,) and self.batch == 1:
            return output[None]
        return self.own(output)


class TappedModel:
    """A float model at the batch sizes that come up: `BATCH` where the graph allows it, its own or 1 otherwise.

    Dimensions beyond the batch that the model leaves open take the sizes of what is given.

    Args:
        content: A float .tflite file's content; any number of inputs of any type.
        threads: Interpreter threads.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        self._content, self._threads = content, threads
        graph = read(content).subgraphs[0]
        sources = [graph.tensors[int(index)] for index in graph.inputs]
        self._several: Runner | None = None
        if all(tensor_shape(source)[:1] == (1,) and not _open_inside(source) for source in sources):
            # A graph may fix the batch, or fold it into another dimension.
            with contextlib.suppress(InputError):
                self._several = Runner(content, threads=threads, batch=BATCH)
        self.signature: Signature = (self._several or self._single).signature
        self.batch = BATCH if self._several else self._own_batch()

    @cached_property
    def _single(self) -> Runner:
        """For what is left over; often nothing is."""
        return Runner(self._content, threads=self._threads)

    def _own_batch(self) -> int:
        return max([1, *(spec.shape[0] for spec in self.signature.inputs[:1] if spec.shape)])

    def pieces(self, batches: Iterable[Tensors]) -> Iterator[Piece]:
        """The examples of batches of any size, in pieces that the model runs at once.

        Raises:
            InputError: input names, shapes or values that the model does not take.
        """
        for batch in batches:
            given = bind(batch, self.signature.inputs)
            count = batch_size(given)
            without_batch = {s.name for s in self.signature.inputs if given[s.name].ndim == len(s.shape) + 1}
            for spec in self.signature.inputs:
                shape = (OPEN, *(spec.shape if spec.name in without_batch else spec.shape[1:]))
                check_fits(given[spec.name], replace(spec, shape=shape), "The model")
            size = 1 if without_batch else self.batch
            whole = count if self._several is None or size == 1 else count - count % size
            starts = [(start, size) for start in range(0, whole, size)] + [(start, 1) for start in range(whole, count)]
            for start, length in starts:
                inputs = {
                    spec.name: _cut(given[spec.name], spec, start, length, spec.name in without_batch)
                    for spec in self.signature.inputs
                }
                yield Piece(inputs, min(length, count - start), length)

    def views(self, piece: Piece) -> list[Array]:
        """The outputs for one piece, as views that are gone with the next call."""
        runner = self._runner(piece.shapes)
        runner.feed(*piece.arrays)
        runner.invoke()
        return [piece.own(view) for view in runner.views()]

    def _runner(self, shapes: tuple[tuple[int, ...], ...]) -> Runner:
        if self._several is not None and shapes == _shapes(self._several):
            return self._several
        if shapes != _shapes(self._single):
            self._single = Runner(self._content, threads=self._threads, shapes=shapes)
        return self._single


def first_pieces(pieces: Iterable[Piece], examples: int) -> Iterator[Piece]:
    """As many pieces as hold so many examples."""
    for piece in pieces:
        yield piece
        examples -= piece.examples
        if examples <= 0:
            return


def check_finite(piece: Piece, seen: int) -> None:
    """Refuse inputs on which nothing can be measured; `seen` examples came before.

    Raises:
        InputError: NaN or infinite values.
    """
    for name, array in piece.inputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(
                f"The representative dataset holds NaN or infinite values as '{name}' (among examples {seen} to "
                f"{seen + piece.examples - 1}): no range can be measured on it. Check the data and its preprocessing."
            )


def _cut(array: Array, spec: TensorSpec, start: int, length: int, without_batch: bool) -> Array:
    if without_batch:
        return np.ascontiguousarray(spec.quantize(array[start])).reshape(array.shape[1:])
    piece = array[start : start + length]
    if len(piece) < length:  # the graph fixes its batch
        piece = np.concatenate([piece, np.repeat(piece[-1:], length - len(piece), axis=0)])
    return np.ascontiguousarray(spec.quantize(piece))


def _open_inside(tensor: schema.TensorT) -> bool:
    return tensor.shapeSignature is not None and any(int(side) < 0 for side in tensor.shapeSignature[1:])


def _shapes(runner: Runner) -> tuple[tuple[int, ...], ...]:
    return tuple(spec.shape for spec in runner.inputs)
