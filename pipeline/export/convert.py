"""A Keras model to a float TFLite flatbuffer, without the SavedModel detour.

`TFLiteConverter.from_keras_model` first exports a SavedModel, traced once for every layer: 70 % of its time. Here the
model's call is traced once, its variables are frozen into constants, and that one graph is converted. The outputs
are the same to the last bit (`benchmarks/convert.py`).
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline.errors import PipelineError
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.tflite.constant_reshapes import constant_reshapes
from pipeline.tflite.signature import name_ends


def to_flatbuffer(model: Any) -> bytes:
    """Convert a `tf_keras` model to a float32 flatbuffer with a `serving_default` signature.

    A QAT model's fake-quant nodes become QUANTIZE/DEQUANTIZE pairs: it stays a float model that computes what QAT
    computed, and :mod:`pipeline.quantize.learned` reads the ranges off it.

    Args:
        model: A built model; the batch dimension stays open.

    Returns:
        The .tflite content. Inputs and outputs carry the Keras names.

    Raises:
        PipelineError: TensorFlow's converter refuses the model.
    """
    specs = [
        tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name=f"input_{index}")
        for index, tensor in enumerate(model.inputs)
    ]

    def call(*inputs: Any) -> Any:
        return tf.nest.flatten(model(inputs if len(inputs) > 1 else inputs[0], training=False))

    function = tf.function(call, input_signature=specs)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(), lower_control_flow=False)
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
