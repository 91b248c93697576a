"""Mend the layers of a written model whose bias did not fit into int32.

A bias counts in steps of input scale × weight scale. Where a channel's weights are next to nothing beside its bias, or
all zero, it has more steps than int32 has; the writer then stores garbage. Such a channel's weights get coarser steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, TensorType
from numpy.typing import NDArray

from pipeline.quantization.kernel_limits import weight_scales_for
from pipeline.quantization.quantized_weights import nearest
from pipeline.quantization.weighted_operators import KINDS
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune

_BIASES: dict[int, type[np.signedinteger[Any]]] = {TensorType.INT32: np.int32, TensorType.INT64: np.int64}
_MOST = np.iinfo(np.int32).max
"""The writer clips int64 biases to int32 too."""


def fit_biases(written: bytes, original: bytes) -> bytes:
    """The written model with every bias in its place; the same bytes where all fit.

    Args:
        written: A model with int8 or int16 activations.
        original: The float model that it was written from, with the same tensor names.
    """
    model = flatbuffer.read(written)
    editor = Editor(model)
    values = _constants(flatbuffer.read(original))
    mended = False
    for operator in editor.graph.operators:
        kind = KINDS.get(flatbuffer.operator_name(model, operator))
        if kind is None or len(operator.inputs) <= kind.bias:
            continue
        weights, bias = int(operator.inputs[kind.weights]), int(operator.inputs[kind.bias])
        if bias < 0 or editor.graph.tensors[bias].type not in _BIASES:
            continue
        real = values.get(flatbuffer.tensor_name(editor.graph.tensors[bias]))
        own = values.get(flatbuffer.tensor_name(editor.graph.tensors[weights]))
        source = flatbuffer.quantization(editor.graph.tensors[int(operator.inputs[kind.activations])])
        parameters = flatbuffer.quantization(editor.graph.tensors[weights])
        if real is None or own is None or source is None or parameters is None:
            continue
        scales = np.asarray(parameters.scales, np.float32)
        input_scale = float(source.scales[0])
        steps = real.astype(np.float64) / (input_scale * scales.astype(np.float64))
        if steps.size == 0 or np.abs(steps).max() <= _MOST:
            continue
        fitted = nearest(own, weight_scales_for(scales, real.astype(np.float64), input_scale), kind.channel_axis)
        _store(editor, weights, fitted.stored, fitted.scales)
        bias_scales = input_scale * fitted.scales.astype(np.float64)
        _store(
            editor,
            bias,
            np.rint(real / bias_scales).astype(_BIASES[editor.graph.tensors[bias].type]),
            bias_scales.astype(np.float32),
        )
        mended = True
    if not mended:
        return written
    prune(model)
    return flatbuffer.serialize(model)


def _constants(model: ModelT) -> dict[str, NDArray[np.float32]]:
    found = {}
    for tensor in model.subgraphs[0].tensors:
        if tensor.type == TensorType.FLOAT32:
            values = flatbuffer.tensor_data(model, tensor)
            if values is not None:
                found[flatbuffer.tensor_name(tensor)] = values
    return found


def _store(editor: Editor, index: int, values: NDArray[np.generic], scales: NDArray[np.float32]) -> None:
    editor.fill(index, values)
    editor.graph.tensors[index].quantization.scale = scales
    editor.graph.tensors[index].quantization.zeroPoint = np.zeros(len(scales), np.int64)
