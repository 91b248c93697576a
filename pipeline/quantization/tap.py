"""A "tapped" copy of a float flatbuffer, whose activations are all outputs, and runs of it under XNNPACK.

Such a copy runs with XNNPACK, threads and small batches. An interpreter that is told to preserve all tensors cannot
use XNNPACK and is several times slower (`benchmarks/calibration.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tflite.flatbuffer import operator_name, read, serialize, tensor_name, tensor_shape
from pipeline.tflite.runner import Runner

Float = NDArray[np.float32]

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
    graph.outputs = np.array(indices, np.int32)
    model.signatureDefs = []
    return [tensor_name(graph.tensors[index]) for index in indices], serialize(model)


def activations(content: bytes) -> list[str]:
    """Names of the model's float inputs and of every float tensor that an operator makes."""
    graph = read(content).subgraphs[0]
    fed = [int(index) for index in graph.inputs if graph.tensors[index].type == schema.TensorType.FLOAT32]
    return [tensor_name(graph.tensors[index]) for index in (*fed, *_made(graph))]


def _made(graph: schema.SubGraphT) -> list[int]:
    made = {int(output) for operator in graph.operators for output in operator.outputs}
    return sorted(index for index in made if graph.tensors[index].type == schema.TensorType.FLOAT32)


def nonnegative(content: bytes) -> frozenset[str]:
    """Names of the activations that cannot be below zero, by the operator that makes them."""
    model = read(content)
    graph = model.subgraphs[0]
    return frozenset(
        tensor_name(graph.tensors[operator.outputs[0]])
        for operator in graph.operators
        if getattr(operator.builtinOptions, "fusedActivationFunction", 0) in _RELUS
        or operator_name(model, operator) in ("RELU", "RELU6", "SOFTMAX", "LOGISTIC")
    )


class Tapped:
    """A model with one input at the batch sizes that come up: `BATCH` where the graph allows it, 1 for what is left.

    Raises:
        InputError: the model has several inputs.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        self._content, self._threads = content, threads
        graph = read(content).subgraphs[0]
        if len(graph.inputs) != 1:
            raise InputError(
                f"The model has {len(graph.inputs)} inputs; a representative dataset feeds models with one."
            )
        source = graph.tensors[int(graph.inputs[0])]
        self.entry = tensor_name(source)
        self._open = source.shapeSignature is not None and any(int(side) < 0 for side in source.shapeSignature[1:])
        self._several: Runner | None = None
        if not self._open and tensor_shape(source)[:1] == (1,):
            # A graph may fix the batch, or fold it into another dimension.
            with contextlib.suppress(InputError):
                self._several = Runner(content, threads=threads, batch=BATCH)
        self.batch = (
            self._several.inputs[0].shape[0] if self._several else 1 if self._open else self._single.inputs[0].shape[0]
        )

    @cached_property
    def _single(self) -> Runner:
        """For what is left over; often nothing is."""
        return Runner(self._content, threads=self._threads)

    def pieces(self, batches: Iterable[Float]) -> Iterator[Float]:
        """The examples of batches of any size, float32 [B, ...], in pieces that the model runs at once."""
        for batch in batches:
            array = np.ascontiguousarray(batch, np.float32)
            whole = len(array) - len(array) % self.batch
            for start in range(0, whole, self.batch):
                yield array[start : start + self.batch]
            for start in range(whole, len(array)):
                yield array[start : start + 1]

    def views(self, piece: Float) -> list[Float]:
        """The outputs for one piece, as views that are gone with the next call."""
        runner = self._several if self._several is not None and len(piece) == self.batch else self._single
        if self._open and piece.shape != runner.inputs[0].shape:
            runner = self._single = Runner(self._content, threads=self._threads, shapes=[piece.shape])
        runner.feed(piece)
        runner.invoke()
        return runner.views()


def check_finite(piece: Float, seen: int) -> None:
    """Refuse inputs on which nothing can be measured; `seen` examples came before.

    Raises:
        InputError: NaN or infinite values.
    """
    if not np.isfinite(piece).all():
        raise InputError(
            f"The representative dataset holds NaN or infinite values (among examples {seen} to "
            f"{seen + len(piece) - 1}): no range can be measured on it. Check the data and its preprocessing."
        )
