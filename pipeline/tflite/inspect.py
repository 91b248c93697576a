"""What a .tflite file truly is, read off the flatbuffer alone: the types and scales of every operator."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert.schema_py_generated import ActivationFunctionType, ModelT, OperatorT, SubGraphT, TensorT

from pipeline.text_table import size, text_table
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.metadata import Metadata
from pipeline.tflite.signature import input_names, output_names
from pipeline.tflite.verdict import CONVERSIONS, Verdict, is_float, verdict

# Where an operator keeps its weights and its bias among its inputs, and the weights' axis of output channels.
_WEIGHTED = {
    "CONV_2D": (1, 2, 0),
    "DEPTHWISE_CONV_2D": (1, 2, 3),
    "TRANSPOSE_CONV": (1, 3, 0),
    "FULLY_CONNECTED": (1, 2, 0),
    "CONV_3D": (1, 2, 4),
}
_READS_NO_VALUES = {"SHAPE", "RANK"}
_INTEGER_ACTIVATIONS = {"int8", "uint8", "int16"}
_VALUES = _INTEGER_ACTIVATIONS | {"float32", "float64"}
"""Types of activations. A CAST of others (counts, flags, halves) is a conversion: what computes with its outcome is
counted."""
_FUSED = {code: name for name, code in vars(ActivationFunctionType).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Port:
    """An input or output of the model."""

    name: str
    """The signature's, else the tensor's."""
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    """The shape with −1 for every dynamic dimension."""
    dtype: str
    scale: float | None
    zero_point: int | None
    tensor: str = ""
    """The tensor's name."""


@dataclass(frozen=True)
class Weights:
    """The constant weights of a convolution or a fully connected layer, as they are stored."""

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    channels: int
    """Output channels."""
    scales: int
    """How many scales: 0 where the weights are not quantized."""
    axis: int | None
    """The axis the scales run along; None with one scale or none."""
    per_channel: bool
    """One scale per output channel; one scale is that too where there is one channel."""
    symmetric: bool | None
    """All zero points are 0; None where the weights are not quantized."""
    dequantized: bool
    """The operator does not read them as stored, but through DEQUANTIZE."""


@dataclass(frozen=True)
class Operator:
    """One operator: its types, and the type it computes in."""

    subgraph: int
    index: int
    name: str
    version: int
    output: str
    """The name of its first output tensor, by which other tools find it."""
    inputs: tuple[str, ...]
    """Types of the activations it reads."""
    constants: tuple[str, ...]
    """Types of the constants it reads as they are stored (weights, bias, axes, paddings)."""
    outputs: tuple[str, ...]
    compute: str | None
    """The type it computes in; None for conversions (QUANTIZE, DEQUANTIZE, CAST of counts, flags or halves) and for
    arithmetic on shapes and indices."""
    boundary: bool
    """It reads an input or writes an output of its graph."""
    weights: Weights | None
    bias: str | None
    """The bias's type; None without one."""
    fused_activation: str | None

    def __str__(self) -> str:
        where = f"{self.index}" if self.subgraph == 0 else f"{self.subgraph}:{self.index}"
        return f"operator {where} {self.name} ('{self.output}')"


@dataclass(frozen=True)
class Signature:
    key: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """All that `inspect` found."""

    file: str | None
    """The path; None for a model given as bytes."""
    size_bytes: int
    schema_version: int
    description: str
    verdict: Verdict
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: tuple[Operator, ...]
    """Of all subgraphs, in order of execution."""
    subgraphs: int
    signatures: tuple[Signature, ...]
    metadata_buffers: tuple[str, ...]
    metadata: Metadata | None

    @property
    def per_channel(self) -> bool | None:
        """Whether all int8 weights have one scale per output channel; None where no weights are int8."""
        found = [op.weights.per_channel for op in self.operators if op.weights and op.weights.dtype == "int8"]
        return all(found) if found else None

    @property
    def float_operators(self) -> tuple[Operator, ...]:
        """Operators with a float activation in or out, QUANTIZE and DEQUANTIZE left aside."""
        return tuple(op for op in self.operators if op.compute and is_float(op.compute))

    @property
    def operator_counts(self) -> dict[str, int]:
        """How many of each operator, the most frequent first."""
        return dict(Counter(op.name for op in self.operators).most_common())

    def __str__(self) -> str:
        """What it is, its inputs and outputs, and its operators by kind."""
        ports = [
            (
                side,
                port.name,
                "x".join("?" if length < 0 else str(length) for length in port.shape_signature),
                port.dtype,
                "–" if port.scale is None else f"{port.scale:.6g}",
            )
            for side, ports in (("input", self.inputs), ("output", self.outputs))
            for port in ports
        ]
        kinds = Counter((op.name, op.compute or "–") for op in self.operators)
        return "\n".join(
            [
                f"{self.file or 'model'}: {self.verdict.text}, {size(self.size_bytes)}",
                *(f"not so: {reason}" for reason in self.verdict.breaks),
                text_table(["", "name", "shape", "type", "scale"], ports),
                text_table(
                    ["operator", "computes in", "count"],
                    [(name, compute, str(count)) for (name, compute), count in kinds.most_common()],
                ),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes. `verdict` is the sentence; `kind` its short name, `breaks` its reasons."""
        fields = dataclasses.asdict(self)
        counts = self.operator_counts
        return fields | {
            "verdict": self.verdict.text,
            "kind": self.verdict.kind,
            "breaks": list(self.verdict.breaks),
            "per_channel": self.per_channel,
            "operator_counts": counts,
            "quantize_count": counts.get("QUANTIZE", 0),
            "dequantize_count": counts.get("DEQUANTIZE", 0),
            "float_operators": [
                {"subgraph": op.subgraph, "index": op.index, "name": op.name, "output": op.output}
                for op in self.float_operators
            ],
        }


def inspect(source: Path | bytes) -> Inspection:
    """Reads a .tflite file, or its bytes, without running it.

    Raises:
        InputError: no such file, not a TFLite model, truncated or corrupt, or its packed labels are.
    """
    data = flatbuffer.load(source)
    model = flatbuffer.read(source)
    main = model.subgraphs[0]
    operators = tuple(
        _operator(model, subgraph, number, i)
        for number, subgraph in enumerate(model.subgraphs)
        for i in range(len(subgraph.operators))
    )
    inputs = tuple(_port(n, main.tensors[i]) for n, i in zip(input_names(model), main.inputs, strict=True))
    outputs = tuple(_port(n, main.tensors[i]) for n, i in zip(output_names(model), main.outputs, strict=True))
    return Inspection(
        file=str(source) if isinstance(source, Path) else None,
        size_bytes=len(data),
        schema_version=int(model.version),
        description=flatbuffer.text(model.description),
        verdict=verdict(operators, inputs, outputs),
        inputs=inputs,
        outputs=outputs,
        operators=operators,
        subgraphs=len(model.subgraphs),
        signatures=tuple(
            Signature(
                flatbuffer.text(signature.signatureKey),
                tuple(flatbuffer.text(port.name) for port in signature.inputs or []),
                tuple(flatbuffer.text(port.name) for port in signature.outputs or []),
            )
            for signature in model.signatureDefs or []
        ),
        metadata_buffers=tuple(flatbuffer.text(entry.name) for entry in model.metadata or []),
        metadata=metadata.read(source),
    )


def _port(name: str, tensor: TensorT) -> Port:
    shape, quantized = flatbuffer.tensor_shape(tensor), flatbuffer.quantization(tensor)
    signature = tensor.shapeSignature
    return Port(
        name=name,
        shape=shape,
        shape_signature=tuple(int(n) for n in signature) if signature is not None and len(signature) else shape,
        dtype=flatbuffer.tensor_type(tensor),
        scale=float(quantized.scales[0]) if quantized else None,
        zero_point=int(quantized.zero_points[0]) if quantized else None,
        tensor=flatbuffer.tensor_name(tensor),
    )


def _operator(model: ModelT, subgraph: SubGraphT, number: int, index: int) -> Operator:
    operator = subgraph.operators[index]
    tensors = subgraph.tensors
    name = flatbuffer.operator_name(model, operator)
    read = [tensors[i] for i in operator.inputs if i >= 0]
    activations = tuple(flatbuffer.tensor_type(t) for t in read if not flatbuffer.is_constant(model, t))
    constants = tuple(flatbuffer.tensor_type(t) for t in read if flatbuffer.is_constant(model, t))
    outputs = tuple(flatbuffer.tensor_type(tensors[i]) for i in operator.outputs)
    _, bias_input, _ = _WEIGHTED.get(name, (0, 0, 0))
    bias = operator.inputs[bias_input] if 0 < bias_input < len(operator.inputs) else -1
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    return Operator(
        subgraph=number,
        index=index,
        name=name,
        version=flatbuffer.operator_version(model, operator),
        output=flatbuffer.tensor_name(tensors[operator.outputs[0]]) if operator.outputs else "",
        inputs=activations,
        constants=constants,
        outputs=outputs,
        compute=_compute(name, activations, outputs),
        boundary=not {*subgraph.inputs, *subgraph.outputs}.isdisjoint([*operator.inputs, *operator.outputs]),
        weights=_weights(model, subgraph, operator, name),
        bias=flatbuffer.tensor_type(tensors[bias]) if bias >= 0 else None,
        fused_activation=_FUSED.get(fused) if fused else None,
    )


def _compute(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> str | None:
    if name in CONVERSIONS or name in _READS_NO_VALUES or (name == "CAST" and not {*inputs} & _VALUES):
        return None
    # Outputs first: an int8 LSTM reads an int16 cell state, an ARG_MAX of int8 writes int64.
    types = [*outputs, *inputs]
    found = [t for t in types if is_float(t)] or [t for t in types if t in _INTEGER_ACTIVATIONS]
    return found[0] if found else None


def _weights(model: ModelT, subgraph: SubGraphT, operator: OperatorT, name: str) -> Weights | None:
    if name not in _WEIGHTED:
        return None
    position, _, channel_axis = _WEIGHTED[name]
    read = operator.inputs[position] if position < len(operator.inputs) else -1
    if read < 0:
        return None
    stored, written_by = read, flatbuffer.producers(subgraph)
    # Weight-only and float16 files dequantize the stored weights; fake-quantized ones quantize them first.
    while stored in written_by:
        source = subgraph.operators[written_by[stored]]
        if flatbuffer.operator_name(model, source) not in CONVERSIONS:
            return None
        stored = source.inputs[0]
    tensor = subgraph.tensors[stored]
    shape = flatbuffer.tensor_shape(tensor)
    if not flatbuffer.is_constant(model, tensor) or len(shape) <= channel_axis:
        return None
    quantized, channels = flatbuffer.quantization(tensor), shape[channel_axis]
    scales = len(quantized.scales) if quantized else 0
    return Weights(
        tensor=flatbuffer.tensor_name(tensor),
        dtype=flatbuffer.tensor_type(tensor),
        shape=shape,
        channels=channels,
        scales=scales,
        axis=quantized.axis if quantized else None,
        per_channel=scales == channels and (scales == 1 or quantized.axis == channel_axis) if quantized else False,
        symmetric=not quantized.zero_points.any() if quantized else None,
        dequantized=stored != read,
    )
