"""What the checks look at: a model, read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, TensorT
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.observe import Observed
from pipeline.tflite.delegation import Delegation
from pipeline.tflite.flatbuffer import Quantization
from pipeline.tflite.inspect import Inspection, Operator
from pipeline.tflite.plausible_run import PlausibleRun

LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
"""What an activation can store, by its type."""
_WEIGHTED = {
    # Where the input, the weights and the bias stand, and the weights' axis of output channels.
    "CONV_2D": (0, 1, 2, 0),
    "DEPTHWISE_CONV_2D": (0, 1, 2, 3),
    "FULLY_CONNECTED": (0, 1, 2, 0),
    "TRANSPOSE_CONV": (2, 1, 3, 0),
    "CONV_3D": (0, 1, 2, 4),
}
ACCUMULATED = frozenset(_WEIGHTED)
"""Operators that sum products in an int32."""


@dataclass(frozen=True, eq=False)
class Layer:
    """An operator with constant weights that computes in 8-bit integers."""

    operator: Operator
    weights: NDArray[Any]
    """[channels, others]: a row an output channel, as stored."""
    scales: NDArray[np.float64]
    """[channels], the weights'."""
    zero_points: NDArray[np.int64]
    """[channels], the weights'."""
    bias: NDArray[np.int64] | None
    """[channels], as stored."""
    bias_scales: NDArray[np.float64] | None
    input_scale: float
    input_zero_point: int
    input_type: str
    output_scale: float

    @property
    def multipliers(self) -> NDArray[np.float64]:
        """[channels]: what an accumulator is multiplied with to become an output."""
        return self.input_scale * self.scales / self.output_scale


@dataclass(frozen=True, eq=False)
class Subject:
    """A .tflite model under audit."""

    model: ModelT
    inspection: Inspection
    delegation: Delegation | None
    """None where it was not measured."""
    observed: Mapping[str, Observed] | None
    """By activation, on data; None without data."""
    plausible: PlausibleRun | None = None
    """On plausible inputs; None where the model cannot be run on them."""
    lost_file: tuple[str, str] | None = None
    """A packed file that the metadata names and that is not there, and why."""

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """In order of execution, of all subgraphs."""
        return tuple(self._layers())

    @property
    def promised(self) -> str | None:
        """The format that the file says it was written as."""
        described = self.inspection.metadata
        said = described.provenance.get("format") if described else None
        return said if isinstance(said, str) else None

    def activations(self) -> Iterator[tuple[Operator | None, TensorT]]:
        """The quantized tensors that are no constants, each with the operator that makes it; None for inputs."""
        place = 0
        for graph in self.model.subgraphs:
            for index in graph.inputs:
                if flatbuffer.quantization(graph.tensors[index]) is not None:
                    yield None, graph.tensors[index]
            for operator in graph.operators:
                for output in operator.outputs:
                    if flatbuffer.quantization(graph.tensors[output]) is not None:
                        yield self.inspection.operators[place], graph.tensors[output]
                place += 1

    def _layers(self) -> Iterator[Layer]:
        for operator in self.inspection.operators:
            if operator.name not in _WEIGHTED or operator.compute not in ("int8", "uint8"):
                continue
            graph = self.model.subgraphs[operator.subgraph]
            read = graph.operators[operator.index]
            source, weights, bias, axis = _WEIGHTED[operator.name]
            tensors = [graph.tensors[i] if i >= 0 else None for i in read.inputs]
            if len(tensors) <= weights:
                continue
            layer = _layer(
                self.model,
                operator,
                (tensors[source], tensors[weights], tensors[bias] if len(tensors) > bias else None),
                graph.tensors[read.outputs[0]],
                axis,
            )
            if layer is not None:
                yield layer


def _layer(
    model: ModelT,
    operator: Operator,
    read: tuple[TensorT | None, TensorT | None, TensorT | None],
    output: TensorT,
    axis: int,
) -> Layer | None:
    source, weights, bias = read
    if source is None or weights is None or flatbuffer.tensor_type(source) not in LIMITS:
        return None
    parameters = [flatbuffer.quantization(tensor) for tensor in (source, weights, output)]
    stored = _constant(model, weights)
    if stored is None or stored.ndim <= axis or any(p is None for p in parameters):
        return None
    own_input, own_weights, own_output = parameters
    assert own_input is not None
    assert own_weights is not None
    assert own_output is not None
    rows = np.moveaxis(stored, axis, 0).reshape(stored.shape[axis], -1)
    channels = len(rows)
    bias_values = None if bias is None else _constant(model, bias)
    bias_parameters = None if bias is None else flatbuffer.quantization(bias)
    if len(own_weights.scales) not in (1, channels) or (bias_values is not None and bias_values.size != channels):
        return None
    return Layer(
        operator=operator,
        weights=rows,
        scales=_spread(own_weights, channels),
        zero_points=np.broadcast_to(own_weights.zero_points, channels),
        bias=None if bias_values is None else bias_values.reshape(-1).astype(np.int64),
        bias_scales=None
        if bias_parameters is None or len(bias_parameters.scales) not in (1, channels)
        else _spread(bias_parameters, channels),
        input_scale=float(own_input.scales[0]),
        input_zero_point=int(own_input.zero_points[0]),
        input_type=flatbuffer.tensor_type(source),
        output_scale=float(own_output.scales[0]),
    )


def _constant(model: ModelT, tensor: TensorT) -> NDArray[Any] | None:
    try:
        return flatbuffer.tensor_data(model, tensor)
    except InputError:  # packed int4: no array
        return None


def _spread(parameters: Quantization, channels: int) -> NDArray[np.float64]:
    return np.broadcast_to(parameters.scales.astype(np.float64), channels)
