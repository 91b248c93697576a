"""Every .tflite format from one float flatbuffer, written by `ai-edge-quantizer`."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any, get_args

import numpy as np
from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe_manager
from ai_edge_quantizer import recipe as standard

from pipeline.errors import InputError, PipelineError
from pipeline.quantize.ranges import Ranges
from pipeline.recipe import Format, IoType
from pipeline.tflite import metadata
from pipeline.tflite.flatbuffer import read, tensor_name
from pipeline.tflite.runner import without_chatter
from pipeline.tflite.signature import with_signature

FORMATS: tuple[Format, ...] = get_args(Format)
NEEDS_RANGES: frozenset[Format] = frozenset({"int8", "int8_per_tensor", "int16x8"})
"""Formats whose activations are integers: they need calibration or QAT."""

Rules = list[dict[str, Any]]


def write(content: bytes, target: Format, ranges: Ranges | None = None, io_type: IoType = "int8") -> bytes:
    """Quantize a float flatbuffer.

    Args:
        content: A float32 .tflite file's content.
        target: What to write; `int8` has one weight scale per output channel.
        ranges: (min, max) of every activation; needed by the formats of `NEEDS_RANGES`.
        io_type: Type of the inputs and outputs of the int8 formats. int16x8 takes int16 for `int8`.

    Returns:
        The quantized .tflite content, with the metadata that the float one had. Operators that the format does not
        know stay float.

    Raises:
        InputError: ranges are needed and missing, or name none of the model's tensors; the model is quantized
            already.
        PipelineError: ai-edge-quantizer refuses the model.
    """
    check_is_float(content)
    content, described = metadata.take_out(content)
    if target == "float32":
        return metadata.write(content, described) if described else content
    if target in NEEDS_RANGES and not ranges:
        raise InputError(f"The format {target} needs activation ranges: give a representative dataset or ranges.json.")
    # ai-edge-quantizer updates the signature of inputs and outputs that it retypes, and expects one.
    writer = quantizer.Quantizer(bytearray(with_signature(content)))
    writer.load_quantization_recipe(rules(target, io_type))
    statistics = _statistics(content, ranges) if target in NEEDS_RANGES and ranges else None
    try:
        with without_chatter(), contextlib.redirect_stderr(io.StringIO()):  # its bar cannot be turned off
            result = writer.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        raise PipelineError(f"ai-edge-quantizer cannot write {target}: {' '.join(str(error).split())[:600]}") from error
    quantized = bytes(result.quantized_model)
    return metadata.write(quantized, described) if described else quantized


def rules(target: Format, io_type: IoType = "int8") -> Rules:
    """ai-edge-quantizer's recipe for a format: a list of rules, of which the later one wins."""
    if target == "dynamic":
        return list(standard.dynamic_wi8_afp32())
    if target == "float16":
        return [_float16_rule()]
    manager = recipe_manager.RecipeManager()
    manager.add_static_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=16 if target == "int16x8" else 8,
        weight_num_bits=8,
        weight_granularity=(
            qtyping.QuantGranularity.TENSORWISE if target == "int8_per_tensor" else qtyping.QuantGranularity.CHANNELWISE
        ),
    )
    [base] = manager.get_quantization_recipe()
    return [base, *_io_rules(base, target, io_type)]


def _io_rules(base: dict[str, Any], target: Format, io_type: IoType) -> Rules:
    ends = (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT)
    if io_type == "float32":
        keep = algorithm_manager.AlgorithmName.NO_QUANTIZE
        return [{"regex": ".*", "operation": end, "algorithm_key": keep, "op_config": {}} for end in ends]
    if io_type == "uint8":
        if target == "int16x8":
            raise InputError("int16x8 models take int16 or float32 inputs and outputs, not uint8: use --io float32.")
        unsigned = copy.deepcopy(base)
        unsigned["op_config"]["activation_tensor_config"]["dtype"] = qtyping.TensorDataType.UINT
        return [{**unsigned, "operation": end} for end in ends]
    return []


def _float16_rule() -> dict[str, Any]:
    return {
        "regex": ".*",
        "operation": qtyping.TFLOperationName.ALL_SUPPORTED,
        "algorithm_key": algorithm_manager.AlgorithmName.FLOAT_CASTING,
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": qtyping.QuantGranularity.TENSORWISE,
                "dtype": qtyping.TensorDataType.FLOAT,
            },
            "compute_precision": qtyping.ComputePrecision.FLOAT,
            "explicit_dequantize": True,
        },
    }


def check_is_float(content: bytes) -> None:
    """Refuse a model with quantized tensors.

    Raises:
        InputError: there are some; the first is named.
    """
    quantized = [
        tensor_name(tensor)
        for graph in read(content).subgraphs
        for tensor in graph.tensors
        if tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale)
    ]
    if quantized:
        raise InputError(
            f"The model is quantized already ({len(quantized)} tensors, '{quantized[0]}' the first). Give the float "
            "model that it was made from."
        )


def _statistics(content: bytes, ranges: Ranges) -> dict[str, dict[str, np.ndarray]]:
    """The ranges as ai-edge-quantizer takes them: arrays of as many dimensions as the tensor has."""
    found = {}
    for graph in read(content).subgraphs:
        for tensor in graph.tensors:
            name = tensor_name(tensor)
            if name in ranges:
                shape = (1,) * (0 if tensor.shape is None else len(tensor.shape))
                low, high = ranges[name]
                found[name] = {
                    "min": np.full(shape, min(low, 0.0), np.float32),
                    "max": np.full(shape, max(high, 0.0), np.float32),
                }
    if not found:
        raise InputError("The ranges name none of this model's tensors: they were made for another model.")
    return found
