"""The models a sensitivity analysis runs: all float, but for one operator in int8 with its float copy beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT, TensorT, TensorType

from pipeline.errors import InputError
from pipeline.quantization.formats import check_is_float, kernel_ranges, quantize, statistics
from pipeline.quantization.output_parts import Parts
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.rules import of_operator, takes_int8
from pipeline.quantization.tap import with_outputs
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.endings import final_activation
from pipeline.tflite.flatbuffer import operator_name, tensor_name
from pipeline.tflite.joins import MOVES
from pipeline.tflite.operator_names import short_names
from pipeline.tflite.signature import output_names
from pipeline.tflite.unshare_constants import unshare_constants

MOVES_VALUES = MOVES | {"PACK"}
"""Operators whose outputs are their inputs' values, at the same scale: what error there is was there before."""


@dataclass(frozen=True)
class Probed:
    """An operator that a probe can be made for."""

    index: int
    """Its place in the main graph."""
    name: str
    short: str
    type: str


@dataclass(frozen=True)
class Plain:
    """The float model, and which of its outputs are the logits and the model's own, by the model's output names."""

    content: bytes
    logits: dict[str, int]
    answers: dict[str, int]


@dataclass(frozen=True)
class Probe:
    """A model in which one operator is int8, and where its outputs are."""

    content: bytes
    quantized: tuple[int, ...]
    """Which of its outputs are the operator's, in int8, as float."""
    exact: tuple[int, ...]
    """Which are the float copy's, in the same order: the same operator on the same inputs."""
    logits: dict[str, int]
    """Which are those of `Probes.logits` that depend on the operator, by the model's output."""
    answers: dict[str, int]
    """Which are the model's outputs, by name, that depend on it only behind the logits."""


class Probes:
    """Makes the probes of one float model, which is read once.

    Args:
        content: A float .tflite file's content.
        ranges: (min, max) of its activations.

    Raises:
        InputError: the model is quantized, or the ranges are another's.
    """

    def __init__(self, content: bytes, ranges: Ranges) -> None:
        check_is_float(content)
        content, _ = metadata.take_out(content)
        self._model = flatbuffer.read(content)
        self._graph = self._model.subgraphs[0]
        self._measured: Mapping[str, Mapping[str, np.ndarray]] = statistics(
            content, kernel_ranges(content, "int8", ranges)
        )
        outputs = dict(zip(output_names(self._model), map(int, self._graph.outputs), strict=True))
        self._answers = outputs
        self._logits = {name: final_activation(self._model, index).logits for name, index in outputs.items()}
        self.logits = {name: tensor_name(self._graph.tensors[index]) for name, index in self._logits.items()}
        """The tensors that stand for the model's outputs, by those: what comes before a last softmax or sigmoid."""
        self.parts = Parts.of(content, ranges)
        """Of the outputs that join values of very different ranges."""

    def operators(self) -> list[Probed]:
        """Those that the int8 format quantizes and that add an error of their own, in the graph's order."""
        names = [self._name(operator) for operator in self._graph.operators]
        kinds = [operator_name(self._model, operator) for operator in self._graph.operators]
        shorts = short_names(list(zip(names, kinds, strict=True)))
        quantized = {kind for kind in set(kinds) - MOVES_VALUES if takes_int8(kind)}
        return [
            Probed(index, names[index], shorts[index], kinds[index])
            for index, operator in enumerate(self._graph.operators)
            if kinds[index] in quantized and self._computes(operator)
        ]

    def plain(self) -> Plain:
        """The float model that gives the logits and the model's own outputs."""
        model, _ = self._copy()
        outputs = list(dict.fromkeys([*self._logits.values(), *self._answers.values()]))
        with_outputs(model, outputs)
        logits, answers = (
            {name: outputs.index(index) for name, index in side.items()} for side in (self._logits, self._answers)
        )
        return Plain(flatbuffer.serialize(model), logits, answers)

    def write(self, probed: Probed) -> Probe:
        """The model in which this operator is int8.

        Raises:
            InputError: it has a constant that is not finite.
            PipelineError: ai-edge-quantizer refuses it.
        """
        self._check_constants(probed)
        model, graph = self._copy()
        operator = graph.operators[probed.index] = copy.copy(graph.operators[probed.index])
        own = [place for place, index in enumerate(operator.outputs) if _is_float(graph.tensors[index])]
        copies = self._float_copy(graph, operator)
        unshare_constants(model, graph, [operator])
        # Logits that the operator reads must not be an output: ai-edge-quantizer would put an int8 copy in their place.
        reached = self._reached_from(probed.index)
        logits = {name: index for name, index in self._logits.items() if index in reached}
        answers = {
            n: index for n, index in self._answers.items() if index in reached and self._logits[n] not in reached
        }
        quantized, exact = [int(operator.outputs[place]) for place in own], [copies[place] for place in own]
        outputs = list(dict.fromkeys([*quantized, *exact, *logits.values(), *answers.values()]))
        with_outputs(model, outputs)
        content = quantize(
            flatbuffer.serialize(model), of_operator(graph, operator, probed.type, "int8"), self._measured
        )
        return Probe(
            content,
            tuple(map(outputs.index, quantized)),
            tuple(map(outputs.index, exact)),
            {name: outputs.index(index) for name, index in logits.items()},
            {name: outputs.index(index) for name, index in answers.items()},
        )

    def _check_constants(self, probed: Probed) -> None:
        """LiteRT's own words on what int8 makes of them help nobody."""
        for index in self._graph.operators[probed.index].inputs:
            if index < 0:
                continue
            tensor = self._graph.tensors[index]
            values = flatbuffer.tensor_data(self._model, tensor)
            if values is not None and tensor.type == TensorType.FLOAT32 and not np.isfinite(values).all():
                raise InputError(
                    f"The operator '{probed.name}' cannot be int8: its constant '{tensor_name(tensor)}' holds NaN or "
                    "infinite values. Check the weights."
                )

    def _reached_from(self, place: int) -> set[int]:
        """The tensors that depend on what an operator computes."""
        reached = set(self._graph.operators[place].outputs)
        for operator in self._graph.operators[place + 1 :]:
            if not reached.isdisjoint(operator.inputs):
                reached.update(operator.outputs)
        return reached

    def _computes(self, operator: OperatorT) -> bool:
        read = [self._graph.tensors[index] for index in operator.inputs if index >= 0]
        return any(_is_float(self._graph.tensors[index]) for index in operator.outputs) and any(
            _is_float(tensor) and not flatbuffer.is_constant(self._model, tensor) for tensor in read
        )

    def _name(self, operator: OperatorT) -> str:
        return tensor_name(self._graph.tensors[operator.outputs[0]]) if len(operator.outputs) else ""

    def _copy(self) -> tuple[ModelT, SubGraphT]:
        """The tree with lists of its own; tensors, operators and buffers are shared."""
        model, graph = copy.copy(self._model), copy.copy(self._graph)
        model.buffers, model.subgraphs = list(model.buffers), [graph, *model.subgraphs[1:]]
        graph.tensors, graph.operators = list(graph.tensors), list(graph.operators)
        return model, graph

    def _float_copy(self, graph: SubGraphT, operator: OperatorT) -> list[int]:
        """The same operator once more, on the same inputs; the indices of its outputs."""
        duplicate, changed = copy.copy(operator), []
        for index in operator.outputs:
            tensor = copy.copy(graph.tensors[index])
            tensor.name = f"{tensor_name(tensor)}/float_copy".encode()
            changed.append(len(graph.tensors))
            graph.tensors.append(tensor)
        duplicate.inputs, duplicate.outputs = list(operator.inputs), changed
        graph.operators.append(duplicate)
        return changed


def _is_float(tensor: TensorT) -> bool:
    return bool(tensor.type == TensorType.FLOAT32)
