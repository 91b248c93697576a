"""Put int8 weights that were decided elsewhere into a written model: the writer only knows the nearest step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorType

from pipeline.quantization.kernel_limits import weight_scales_for
from pipeline.quantization.quantized_weights import QuantizedWeights, nearest
from pipeline.quantization.weighted_operators import KINDS
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune


def write_int8_weights(content: bytes, weights: Mapping[str, QuantizedWeights]) -> bytes:
    """The model with these weights and scales in the place of its own, and its int32 biases to match.

    Args:
        content: A model with int8 weights, written from the float model that the weights belong to.
        weights: By tensor name. Tensors that the model stores in another type than int8 are left alone.
    """
    model = flatbuffer.read(content)
    editor = Editor(model)
    done: set[int] = set()
    for operator in editor.graph.operators:
        kind = KINDS.get(flatbuffer.operator_name(model, operator))
        index = operator.inputs[kind.weights] if kind is not None else -1
        if kind is None or index < 0:
            continue
        tensor = editor.graph.tensors[index]
        own = weights.get(flatbuffer.tensor_name(tensor))
        if own is None or tensor.type != TensorType.INT8:
            continue
        bias = operator.inputs[kind.bias] if len(operator.inputs) > kind.bias else -1
        if bias >= 0 and bias not in done:
            own = _rescale_bias(editor, bias, _scale(model, operator, kind.activations), own)
            done.add(bias)
        if index not in done:
            editor.fill(index, own.stored)
            tensor.quantization.scale = own.scales
            tensor.quantization.zeroPoint = np.zeros(len(own.scales), np.int64)
            done.add(index)
    prune(model)
    return flatbuffer.serialize(model)


def _scale(model: ModelT, operator: OperatorT, which: int) -> float:
    parameters = flatbuffer.quantization(model.subgraphs[0].tensors[operator.inputs[which]])
    return 1.0 if parameters is None else float(parameters.scales[0])


def _rescale_bias(editor: Editor, index: int, input_scale: float, weights: QuantizedWeights) -> QuantizedWeights:
    """int32 or int64 biases count in steps of the input's scale times the weights'; float ones are left alone.

    Returns:
        The weights, on coarser steps where the bias would not have fitted into its type.
    """
    tensor = editor.graph.tensors[index]
    parameters = flatbuffer.quantization(tensor)
    stored = flatbuffer.tensor_data(editor.model, tensor)
    if parameters is None or stored is None:
        return weights
    real = stored.astype(np.float64) * parameters.scales
    raised = weight_scales_for(weights.scales, real, input_scale)
    if (raised > weights.scales).any():
        weights = nearest(weights.real(), raised, weights.axis)
    scales = input_scale * weights.scales.astype(np.float64)
    editor.fill(index, np.rint(real / scales).astype(stored.dtype))
    tensor.quantization.scale = scales.astype(np.float32)
    tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
    return weights
