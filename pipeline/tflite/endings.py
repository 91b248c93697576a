"""What a model's last operator does to each output, and the model before it.

A softmax or sigmoid rounds probabilities to 1/256 in int8, which hides most of what quantization does: models are
compared on what comes before it (the logits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ai_edge_litert.schema_py_generated import ModelT

from pipeline.tflite import flatbuffer
from pipeline.tflite.signature import output_names, sign_outputs

Ending = Literal["softmax", "sigmoid", "none"]
KINDS: Mapping[str, Ending] = {"SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
_THROUGH = ("QUANTIZE", "DEQUANTIZE", "RESHAPE")
"""Operators that leave every value what it is, but for rounding."""


@dataclass(frozen=True)
class Final:
    """The operator that decides what an output is."""

    ending: Ending
    logits: int
    """The tensor before it; the output's own where there is no such operator."""


def final_activation(model: ModelT, output: int) -> Final:
    """The softmax or sigmoid behind an output tensor of the main graph, through reshapes and changes of type."""
    graph = model.subgraphs[0]
    producers = flatbuffer.producers(graph)
    tensor = output
    while tensor in producers:
        operator = graph.operators[producers[tensor]]
        kind = flatbuffer.operator_name(model, operator)
        if kind in KINDS:
            return Final(KINDS[kind], int(operator.inputs[0]))
        if kind not in _THROUGH:
            break
        tensor = int(operator.inputs[0])
    return Final("none", output)


def endings(content: bytes) -> dict[str, Ending]:
    """By output name."""
    model = flatbuffer.read(content)
    outputs = [int(index) for index in model.subgraphs[0].outputs]
    return {
        name: final_activation(model, index).ending for name, index in zip(output_names(model), outputs, strict=True)
    }


def before_activations(content: bytes) -> bytes:
    """The model with each output that comes from a softmax or sigmoid cut before it, under its own name."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    names = output_names(model)
    graph.outputs = [final_activation(model, int(index)).logits for index in graph.outputs]
    sign_outputs(model, names)
    return flatbuffer.serialize(model)
