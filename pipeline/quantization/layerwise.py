"""Run a network one operator at a time on kept activations, as its int8 version will compute.

Every activation is kept as int8 (where it has a range) until its last consumer has run, for all examples. An operator
then costs one run over the examples, however deep it lies: correcting every layer is linear in their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT, OperatorT, TensorType
from numpy.typing import NDArray

from pipeline.quantization.tap import Piece
from pipeline.tensors import TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor, cut_out
from pipeline.tflite.runner import Runner


@dataclass(frozen=True, eq=False)
class Kept:
    """One activation of all examples, a piece of them at a time."""

    pieces: list[NDArray[np.generic]]
    scale: float | None = None
    """None: the pieces hold real values; else they are int8."""
    zero_point: int = 0

    def real(self, piece: int) -> NDArray[np.float32]:
        """One piece's float values."""
        stored = self.pieces[piece]
        if self.scale is None:
            return np.asarray(stored, np.float32)
        return (stored.astype(np.float32) - self.zero_point) * np.float32(self.scale)


class LayerwiseRunner:
    """The activations of a float model's quantized self, as far as it has gone.

    Args:
        model: The float model. Fill its weights and biases with what the quantized one has before each step.
        scales: Scale and zero point of the activations that are int8, by name; the others stay float.
        pieces: Examples in shapes that the graph takes.
    """

    def __init__(
        self,
        model: ModelT,
        scales: Mapping[str, tuple[float, int]],
        pieces: Sequence[Piece],
        threads: int,
    ) -> None:
        self.model, self._scales, self._threads = model, scales, threads
        self._graph = model.subgraphs[0]
        self._count = len(pieces)
        consumers = flatbuffer.consumers(self._graph)
        self._last = {tensor: max(places) for tensor, places in consumers.items()}
        self._kept: dict[int, Kept] = {}
        for place, index in enumerate(map(int, self._graph.inputs)):
            scale, point = self._affine(index)
            arrays = [piece.arrays[place] for piece in pieces]
            if scale is not None:
                spec = TensorSpec("", (), np.dtype(np.int8), scale, point)
                arrays = [spec.quantize(array) for array in arrays]
            self._kept[index] = Kept(arrays, scale, point)

    def __getitem__(self, tensor: int) -> Kept:
        return self._kept[tensor]

    def means(self, operator: OperatorT) -> NDArray[np.float64]:
        """The mean over examples and positions of an operator's output before its activation, [channels]."""
        model, fed = cut_out(self.model, operator)
        editor = Editor(model)
        editor.split_activation(0)
        del model.subgraphs[0].operators[1:]
        pooled = add_mean(editor, model.subgraphs[0].operators[0].outputs[0], "mean")
        model.subgraphs[0].outputs = [pooled]
        self._dequantize(editor, fed)
        outputs = self._run(model, fed)
        return np.asarray(np.mean([mean_of_last(out[0]) for out in outputs], axis=0))

    def step(self, place: int) -> None:
        """Run the operator and keep its outputs; forget what nobody will read again."""
        operator = self._graph.operators[place]
        model, fed = cut_out(self.model, operator)
        editor = Editor(model)
        parameters = [self._affine(index) for index in operator.outputs]
        ends = model.subgraphs[0].outputs
        for which, (scale, point) in enumerate(parameters):
            if scale is not None:
                shape = flatbuffer.tensor_shape(model.subgraphs[0].tensors[ends[which]])
                rounded = editor.tensor(f"rounded_{which}", shape, "int8", scale, point)
                editor.operator(BuiltinOperator.QUANTIZE, [ends[which]], [rounded])
                ends[which] = rounded
        self._dequantize(editor, fed)
        outputs = self._run(model, fed)
        for which, (index, (scale, point)) in enumerate(zip(operator.outputs, parameters, strict=True)):
            self._kept[index] = Kept([out[which] for out in outputs], scale, point)
        for index in [index for index in self._kept if self._last.get(index, -1) <= place]:
            del self._kept[index]

    def _affine(self, index: int) -> tuple[float | None, int]:
        return self._scales.get(flatbuffer.tensor_name(self._graph.tensors[index]), (None, 0))

    def _dequantize(self, editor: Editor, fed: Sequence[int]) -> None:
        """Let a cut-out operator take int8 where its inputs are kept so."""
        inputs = editor.graph.inputs
        for which, index in enumerate(fed):
            kept = self._kept[index]
            if kept.scale is not None:
                shape = flatbuffer.tensor_shape(editor.graph.tensors[inputs[which]])
                stored = editor.tensor(f"stored_{which}", shape, "int8", kept.scale, kept.zero_point)
                editor.operator(BuiltinOperator.DEQUANTIZE, [stored], [inputs[which]], place=0)
                inputs[which] = stored

    def _run(self, model: ModelT, fed: Sequence[int]) -> list[list[NDArray[np.generic]]]:
        """The cut-out operator's outputs, piece by piece."""
        content = flatbuffer.serialize(model)
        if not fed:  # computed from constants alone
            return [Runner(content, threads=self._threads).run()] * self._count
        found, runner, shapes = [], None, None
        for number in range(self._count):
            arrays = [self._kept[index].pieces[number] for index in fed]
            if runner is None or shapes != [array.shape for array in arrays]:
                shapes = [array.shape for array in arrays]
                runner = Runner(content, threads=self._threads, shapes=shapes)
            found.append(runner.run(*arrays))
        return found


def activation_scales(written: bytes) -> dict[str, tuple[float, int]]:
    """Scale and zero point of every int8 activation of a quantized model, by tensor name.

    They are read off the model, not computed from ranges: pooling keeps its input's scale, softmax has a fixed one.
    """
    model = flatbuffer.read(written)
    graph = model.subgraphs[0]
    found = {}
    for tensor in graph.tensors:
        parameters = flatbuffer.quantization(tensor)
        if tensor.type != TensorType.INT8 or parameters is None or flatbuffer.is_constant(model, tensor):
            continue
        found[flatbuffer.tensor_name(tensor)] = float(parameters.scales[0]), int(parameters.zero_points[0])
    return found


def add_mean(editor: Editor, tensor: int, name: str) -> int:
    """Average an image-shaped tensor [B, height, width, channels] over its positions; others stay as they are."""
    shape = flatbuffer.tensor_shape(editor.graph.tensors[tensor])
    if len(shape) != 4:
        return tensor
    axes = editor.constant(f"{name}/axes", np.array([1, 2], np.int32))
    mean = editor.tensor(name, (shape[0], shape[3]))
    editor.operator(BuiltinOperator.MEAN, [tensor, axes], [mean], ("ReducerOptions", {"keepDims": False}))
    return mean


def mean_of_last(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """The mean over all axes but the last."""
    return np.asarray(np.asarray(values, np.float64).reshape(-1, values.shape[-1]).mean(axis=0))
