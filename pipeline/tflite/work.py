"""How much an operator multiplies, and what the instruction sets of phones can make of it: an estimate.

An instruction multiplies and adds so many pairs: FMLA on float32 4 (128 bits), SMLAL on int8 widened to int16 4, SDOT
16, SMMLA 32. SDOT takes input channels by 4 and SMMLA by 8, and XNNPACK's kernels take output channels by 16: what is
no multiple is filled up with zeros. XNNPACK's depthwise kernels use neither SDOT nor SMMLA. The gain that is estimated
is that of these instructions alone: no loads, no requantization, no memory. It is a bound, not a latency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ai_edge_litert.schema_py_generated import ModelT

from pipeline.tflite import flatbuffer

INSTRUCTION_SETS = {"armv8.0": (4, 1), "dotprod": (16, 4), "i8mm": (32, 8)}
"""Multiply-accumulates an int8 instruction, and the input channels that it takes together."""
_FLOAT = 4
_COLUMNS, _FLOAT_COLUMNS = 16, 8
"""Output channels that a kernel computes together, int8 and float32."""


@dataclass(frozen=True)
class Work:
    """What one operator multiplies, for one example."""

    macs: int
    """Multiply-accumulates; 0 for an operator that has none."""
    depth: int
    """Input channels summed together: 1 for depthwise."""
    channels: int
    """Output channels."""
    depthwise: bool

    def utilisation(self, group: int) -> float:
        """Share of an int8 kernel's multiplications that are of use, where it takes so many input channels together."""
        padded = _up(self.depth, group) * _up(self.channels, _COLUMNS)
        return self.depth * self.channels / padded if self.macs and not self.depthwise else 1.0

    def instructions(self, name: str) -> float:
        """Multiplying instructions in int8, by instruction set; as in float for what is not SDOT's or SMMLA's."""
        per, group = INSTRUCTION_SETS[name]
        if self.depthwise:
            return self.macs / INSTRUCTION_SETS["armv8.0"][0]
        return self.macs / per / self.utilisation(group)

    @property
    def float_instructions(self) -> float:
        """The same in float32."""
        if self.depthwise or not self.macs:
            return self.macs / _FLOAT
        return self.macs / _FLOAT * _up(self.channels, _FLOAT_COLUMNS) / self.channels

    def gain(self, name: str) -> float | None:
        """At most how many times as fast as float32; None without multiplications."""
        return self.float_instructions / self.instructions(name) if self.macs else None


def work(model: ModelT, place: int) -> Work:
    """Of an operator of the main graph; open dimensions count as 1."""
    graph = model.subgraphs[0]
    operator = graph.operators[place]
    kind = flatbuffer.operator_name(model, operator)
    shapes = [flatbuffer.tensor_shape(graph.tensors[index]) if index >= 0 else () for index in operator.inputs]
    output = flatbuffer.tensor_shape(graph.tensors[operator.outputs[0]]) if operator.outputs else ()
    if kind == "CONV_2D" and len(shapes[1]) == 4:
        channels, height, width, depth = shapes[1]
        return Work(math.prod(output) * height * width * depth, depth, channels, False)
    if kind == "DEPTHWISE_CONV_2D" and len(shapes[1]) == 4:
        _, height, width, channels = shapes[1]
        return Work(math.prod(output) * height * width, 1, channels, True)
    if kind == "FULLY_CONNECTED" and len(shapes[1]) == 2:
        channels, depth = shapes[1]
        return Work(math.prod(output) * depth, depth, channels, False)
    if kind == "TRANSPOSE_CONV" and len(shapes) > 2 and len(shapes[1]) == 4:
        channels, height, width, depth = shapes[1]
        return Work(math.prod(shapes[2]) * height * width * channels, depth, channels, False)
    if kind == "BATCH_MATMUL" and len(shapes[0]) > 1 and output:
        across = bool(getattr(operator.builtinOptions, "adjX", False))
        depth = shapes[0][-2 if across else -1]
        return Work(math.prod(output) * depth, depth, output[-1], False)
    return Work(0, 0, output[-1] if output else 0, False)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
