"""A Keras model to a float TFLite flatbuffer, without the SavedModel detour.

`TFLiteConverter.from_keras_model` first exports a SavedModel, traced once for every layer: 70 % of its time. Here the
model's call is traced once, its variables are frozen into constants, and that one graph is converted. The outputs
are the same to the last bit (`benchmarks/convert.py`).
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from pipeline.conversion.dilated import TOGETHER, dilate
from pipeline.errors import PipelineError
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_reshapes import constant_reshapes
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import name_ends


def to_flatbuffer(model: Any) -> bytes:
    """Convert a `tf_keras` model to a float32 flatbuffer with a `serving_default` signature.

    A QAT model's fake-quant nodes become QUANTIZE/DEQUANTIZE pairs: it stays a float model that computes what QAT
    computed, and :mod:`pipeline.quantization.learned` reads the ranges off it.

    The batch stays open where TFLite can do that. It cannot loop over a sequence (LSTM, GRU), nor broadcast to a shape
    with an open side (GroupNormalization): such a model gets a batch of one, as a phone runs it.

    Args:
        model: A built model.

    Returns:
        The .tflite content. Inputs and outputs carry the Keras names.

    Raises:
        PipelineError: TensorFlow's converter refuses the model.
    """
    refused: PipelineError | None = None
    try:
        content = _convert(model, None)
        if _runs(content):
            return content
    except PipelineError as error:
        refused = error
    try:
        return _convert(model, 1)
    except PipelineError as error:
        raise refused or error from None


def _runs(content: bytes) -> bool:
    """Whether LiteRT can run what the converter left with an open batch; it always can where no shape is computed."""
    model = flatbuffer.read(content)
    if not any(flatbuffer.operator_name(model, operator) == "SHAPE" for operator in model.subgraphs[0].operators):
        return True
    try:
        runner = Runner(content)
        runner.run(*(np.zeros(spec.shape, spec.dtype) for spec in runner.inputs))
    except PipelineError:
        return False
    return True


def _convert(model: Any, batch: int | None) -> bytes:
    # Behind the one door to TensorFlow, which sets it up; at the top of the module they would come before it.
    from tensorflow.python.eager.wrap_function import function_from_graph_def
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = [
        tf.TensorSpec((batch, *tensor.shape[1:]), tensor.dtype, name=f"input_{index}")
        for index, tensor in enumerate(model.inputs)
    ]

    def call(*inputs: Any) -> Any:
        return tf.nest.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=False))

    function = tf.function(call, input_signature=specs)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(), lower_control_flow=False)
    if any(operation.type == TOGETHER for operation in frozen.graph.get_operations()):
        graph = frozen.graph.as_graph_def()  # a copy of all weights, which most models can do without
        dilate(graph)
        ends = ([tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs))
        frozen = function_from_graph_def(graph, *ends)
    # The model itself as the trackable object would start the detour over a SavedModel again.
    try:
        with quiet_tensorflow(), contextlib.redirect_stdout(io.StringIO()):
            content = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    except Exception as error:
        raise PipelineError(
            f"TensorFlow's converter refuses '{model.name}': {' '.join(str(error).split())[:600]}"
        ) from error
    content = constant_reshapes(content)
    return name_ends(content, list(model.input_names), list(model.output_names))
