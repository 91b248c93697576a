"""`pipeline.inspect`: what a model truly is."""

from __future__ import annotations

from typing import Any

from pipeline.api.model import load
from pipeline.tflite.inspect import Inspection


def inspect(model: Any) -> Inspection:
    """What a model truly is, read off the flatbuffer: types, scales, operators, what stayed float.

    Args:
        model: A .tflite file or its bytes, a run folder (its int8 model), a result of `quantize`; a Keras model or file
            is converted to float32 for that.

    Raises:
        InputError: no such file, not a model, truncated or corrupt.

    Example:
        >>> print(inspect("int8.tflite"))  # doctest: +SKIP
        >>> inspect("int8.tflite").verdict.text  # doctest: +SKIP
        'full int8, per-channel'
    """
    return load(model).inspection
