"""The operators of a flatbuffer that have weights, and where their channels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, TensorType

from pipeline.tflite import flatbuffer


@dataclass(frozen=True)
class Kind:
    """How an operator with weights takes its inputs."""

    channel_axis: int
    """The output channels in its weights."""
    weights: int = 1
    """Which input the weights are."""
    bias: int = 2
    activations: int = 0


KINDS: dict[str, Kind] = {
    "CONV_2D": Kind(0),  # [out, height, width, in]
    "DEPTHWISE_CONV_2D": Kind(3),  # [1, height, width, out]
    "FULLY_CONNECTED": Kind(0),  # [out, in]
    "TRANSPOSE_CONV": Kind(0, bias=3, activations=2),  # [out, height, width, in]
}


@dataclass(frozen=True)
class Layer:
    """An operator of the main graph with constant float weights."""

    place: int
    """Index among the graph's operators."""
    name: str
    """Of its output."""
    kind: str
    activations: int
    """Tensor indices."""
    weights: int
    bias: int | None
    output: int

    @property
    def channel_axis(self) -> int:
        return KINDS[self.kind].channel_axis


def layers(model: ModelT) -> list[Layer]:
    """The layers of the main graph, in the order in which it runs them."""
    graph = model.subgraphs[0]
    found = []
    for place, operator in enumerate(graph.operators):
        name = flatbuffer.operator_name(model, operator)
        kind = KINDS.get(name)
        if kind is None or len(operator.inputs) <= max(kind.weights, kind.activations):
            continue
        weights = operator.inputs[kind.weights]
        source = operator.inputs[kind.activations]
        tensor = graph.tensors[weights]
        if tensor.type != TensorType.FLOAT32 or not flatbuffer.is_constant(model, tensor) or source < 0:
            continue
        if flatbuffer.is_constant(model, graph.tensors[source]):
            continue
        bias = operator.inputs[kind.bias] if len(operator.inputs) > kind.bias else -1
        if bias >= 0 and not flatbuffer.is_constant(model, graph.tensors[bias]):
            continue
        output = int(operator.outputs[0])
        label = flatbuffer.tensor_name(graph.tensors[output])
        found.append(Layer(place, label, name, source, weights, bias if bias >= 0 else None, output))
    return found


def constant(model: ModelT, index: int) -> np.ndarray:
    """The values of a constant that is known to be one."""
    values = flatbuffer.tensor_data(model, model.subgraphs[0].tensors[index])
    assert values is not None
    return values
