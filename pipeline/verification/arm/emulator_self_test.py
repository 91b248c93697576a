"""A tiny int8 model whose exact answer follows from integer arithmetic, to check an emulator with.

Convolution 3x3 → depthwise convolution 3x3 → convolution 1x1 → fully connected: the kernels that matter. All scales are
powers of two, all weights even and all biases odd, so that no rescaled sum lies halfway between two integers. Every
kernel that rounds to the nearest, once, gives the same bytes: XNNPACK's do (TFLite's own round twice). QEMU 7.2 fails
where its SME instructions are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.schema_py_generated import BuiltinOperator, ModelT, SubGraphT
from numpy.typing import NDArray

from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor

SIDE, CHANNELS, WIDE, UNITS = 8, 16, 32, 40
_SHIFTS = (11, 8, 10, 10)
"""The four layers divide their sums by 2 to this power: the outputs fill int8 and seldom saturate."""


@dataclass(frozen=True, eq=False)
class KnownAnswer:
    """The model, an input and the only right output."""

    model: bytes
    x: NDArray[np.int8]
    """[1, 8, 8, 16]"""
    y: NDArray[np.int8]
    """[1, 40]"""


def known_answer() -> KnownAnswer:
    """The same every time."""
    rng = np.random.default_rng(5)
    x = rng.integers(-128, 128, (1, SIDE, SIDE, CHANNELS)).astype(np.int8)
    weights = [_even(rng, WIDE, 3, 3, CHANNELS), _even(rng, 1, 3, 3, WIDE), _even(rng, WIDE, 1, 1, WIDE)]
    weights.append(_even(rng, UNITS, SIDE * SIDE * WIDE))
    biases = [2 * rng.integers(-500, 500, count).astype(np.int32) + 1 for count in (WIDE, WIDE, WIDE, UNITS)]
    full, depthwise, point, dense = (w.astype(np.int64) for w in weights)
    y = x.astype(np.int64)
    y = _rescale(np.einsum("hwyxc,oyxc->hwo", _im2col(y[0]), full) + biases[0], _SHIFTS[0])
    y = _rescale(np.einsum("hwyxc,yxc->hwc", _im2col(y), depthwise[0]) + biases[1], _SHIFTS[1])
    y = _rescale(np.einsum("hwc,oc->hwo", y, point[:, 0, 0]) + biases[2], _SHIFTS[2])
    y = _rescale(dense @ y.reshape(-1) + biases[3], _SHIFTS[3])
    return KnownAnswer(_model(weights, biases), x, y.astype(np.int8)[None])


def _even(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return (2 * rng.integers(-63, 64, shape)).astype(np.int8)


def _im2col(image: NDArray[np.int64]) -> NDArray[np.int64]:
    """[H, W, C] → [H, W, 3, 3, C], padded with the zero point, 0."""
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    return np.asarray(np.moveaxis(windows, 2, -1))


def _rescale(sums: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    return np.asarray(np.clip(np.rint(sums / 2**shift), -128, 127), np.int64)


def _model(weights: list[NDArray[np.int8]], biases: list[NDArray[np.int32]]) -> bytes:
    """All activations have scale 1 and zero point 0: each layer's weights carry its power of two."""
    model, graph = ModelT(), SubGraphT()
    model.version, model.operatorCodes, model.buffers, model.subgraphs = 3, [], [schema.BufferT()], [graph]
    graph.tensors, graph.operators = [], []
    editor = Editor(model)
    image = [1, SIDE, SIDE]
    x = editor.tensor("x", [*image, CHANNELS], "int8", 1.0)
    y = x
    strides = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    layers: list[tuple[int, str, dict[str, Any], list[int], int]] = [
        (BuiltinOperator.CONV_2D, "Conv2DOptions", strides, [*image, WIDE], 0),
        (
            BuiltinOperator.DEPTHWISE_CONV_2D,
            "DepthwiseConv2DOptions",
            strides | {"depthMultiplier": 1},
            [*image, WIDE],
            3,
        ),
        (BuiltinOperator.CONV_2D, "Conv2DOptions", strides, [*image, WIDE], 0),
        (BuiltinOperator.FULLY_CONNECTED, "FullyConnectedOptions", {}, [1, UNITS], 0),
    ]
    for number, (kind, options, fields, shape, axis) in enumerate(layers):
        scales = np.full(len(biases[number]), 2.0 ** -_SHIFTS[number], np.float32)
        w = editor.constant(f"weights{number}", weights[number])
        b = editor.constant(f"bias{number}", biases[number])
        for index, along in ((w, axis), (b, 0)):
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = scales, np.zeros(len(scales), np.int64)
            quantization.quantizedDimension = along
            graph.tensors[index].quantization = quantization
        out = editor.tensor(f"y{number}", shape, "int8", 1.0)
        editor.operator(kind, [y, w, b], [out], (options, fields))
        y = out
    graph.inputs, graph.outputs = [x], [y]
    for code in model.operatorCodes:
        code.version = 5 if code.builtinCode == BuiltinOperator.FULLY_CONNECTED else 3
    return flatbuffer.serialize(model)
