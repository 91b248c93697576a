"""The models a sensitivity analysis runs: all float, but for one operator in int8 with its float twin beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, SubGraphT, TensorType

from pipeline.errors import InputError
from pipeline.quantization.formats import check_is_float, quantize, statistics
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.rules import of_operator, takes_int8
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.flatbuffer import operator_name, tensor_name
from pipeline.tflite.operator_names import short_names
from pipeline.tflite.signature import sign
from pipeline.tflite.unshare_constants import unshare_constants

SQUASHING = frozenset({"SOFTMAX", "LOGISTIC"})
"""Operators that turn logits into probabilities."""
MOVES_VALUES = frozenset(
    {
        "BROADCAST_TO",
        "DYNAMIC_UPDATE_SLICE",
        "GATHER",
        "GATHER_ND",
        "MAX_POOL_2D",
        "MIRROR_PAD",
        "PACK",
        "PAD",
        "RESHAPE",
        "RESIZE_NEAREST_NEIGHBOR",
        "SLICE",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "STRIDED_SLICE",
        "TRANSPOSE",
        "UNPACK",
    }
)
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
class Probe:
    """A model in which one operator is int8, and where its outputs are."""

    content: bytes
    quantized: int
    """Which of its outputs is the operator's, in int8, as float."""
    exact: int
    """Which is the float twin's: the same operator on the same inputs."""
    ends: dict[int, int]
    """Which are those of `Probes.ends` that the operator has a part in: their place there → their place here."""


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
        self._measured: Mapping[str, Mapping[str, np.ndarray]] = statistics(content, ranges)
        self._ends = tuple(dict.fromkeys(self._before_squashing(int(output)) for output in self._graph.outputs))
        self.squashes = any(
            operator_name(self._model, operator) == "LOGISTIC" and int(operator.inputs[0]) in self._ends
            for operator in self._graph.operators
        )
        """Whether an end is a sigmoid's logit."""
        self.ends = tuple(tensor_name(self._graph.tensors[index]) for index in self._ends)
        """The tensors that stand for the model's outputs: logits rather than probabilities."""

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

    def plain(self) -> bytes:
        """The float model whose outputs are the ends."""
        model, graph = self._copy()
        return self._with_outputs(model, graph, self._ends)

    def write(self, probed: Probed) -> Probe:
        """The model in which this operator is int8.

        Raises:
            InputError: it has a constant that is not finite.
            PipelineError: ai-edge-quantizer refuses it.
        """
        self._check_constants(probed)
        model, graph = self._copy()
        operator = graph.operators[probed.index] = copy.copy(graph.operators[probed.index])
        output = int(operator.outputs[0])
        twin = self._twin(graph, operator)
        unshare_constants(model, graph, [operator])
        # An end that the operator reads must not be an output: ai-edge-quantizer would put its int8 copy in its place.
        reached = {place: end for place, end in enumerate(self._ends) if end in self._reached_from(probed.index)}
        outputs = list(dict.fromkeys([output, twin, *reached.values()]))
        content = quantize(
            self._with_outputs(model, graph, outputs),
            of_operator(graph, operator, probed.type, "int8"),
            self._measured,
        )
        return Probe(content, 0, 1, {place: outputs.index(end) for place, end in reached.items()})

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
        """The tensors that hang on what an operator computes."""
        reached = set(self._graph.operators[place].outputs)
        for operator in self._graph.operators[place + 1 :]:
            if not reached.isdisjoint(operator.inputs):
                reached.update(operator.outputs)
        return reached

    def _before_squashing(self, output: int) -> int:
        """The logits behind an output, or the output itself."""
        makers, index = flatbuffer.producers(self._graph), output
        while index in makers:
            operator = self._graph.operators[makers[index]]
            kind = operator_name(self._model, operator)
            if kind in SQUASHING:
                return int(operator.inputs[0])
            if kind != "RESHAPE":
                break
            index = int(operator.inputs[0])
        return output

    def _computes(self, operator: OperatorT) -> bool:
        read = [self._graph.tensors[index] for index in operator.inputs if index >= 0]
        written = self._graph.tensors[operator.outputs[0]]
        return written.type == TensorType.FLOAT32 and any(
            tensor.type == TensorType.FLOAT32 and not flatbuffer.is_constant(self._model, tensor) for tensor in read
        )

    def _name(self, operator: OperatorT) -> str:
        return tensor_name(self._graph.tensors[operator.outputs[0]]) if len(operator.outputs) else ""

    def _copy(self) -> tuple[ModelT, SubGraphT]:
        """The tree with lists of its own; tensors, operators and buffers are shared."""
        model, graph = copy.copy(self._model), copy.copy(self._graph)
        model.buffers, model.subgraphs = list(model.buffers), [graph, *model.subgraphs[1:]]
        graph.tensors, graph.operators = list(graph.tensors), list(graph.operators)
        return model, graph

    def _twin(self, graph: SubGraphT, operator: OperatorT) -> int:
        """The same operator once more, on the same inputs; the index of its output."""
        twin, changed = copy.copy(operator), []
        for index in operator.outputs:
            tensor = copy.copy(graph.tensors[index])
            tensor.name = f"{tensor_name(tensor)}/float_twin".encode()
            changed.append(len(graph.tensors))
            graph.tensors.append(tensor)
        twin.inputs, twin.outputs = list(operator.inputs), changed
        graph.operators.append(twin)
        return changed[0]

    def _with_outputs(self, model: ModelT, graph: SubGraphT, outputs: list[int] | tuple[int, ...]) -> bytes:
        graph.outputs = list(outputs)
        names = [tensor_name(graph.tensors[index]) for index in outputs]
        sign(model, [tensor_name(graph.tensors[index]) for index in graph.inputs], names)
        return flatbuffer.serialize(model)
