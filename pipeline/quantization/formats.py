"""Every .tflite format from one float flatbuffer, written by `ai-edge-quantizer`."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Mapping, Sequence
from typing import get_args

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT
from ai_edge_quantizer import quantizer

from pipeline.errors import InputError, PipelineError, one_line
from pipeline.quantization.fit_biases import fit_biases
from pipeline.quantization.keep import BASE, float_outputs, plan
from pipeline.quantization.kernel_limits import wide_enough
from pipeline.quantization.kernel_table import Dtype
from pipeline.quantization.masked_softmax import without_masks
from pipeline.quantization.more_kernels import use_more_kernels
from pipeline.quantization.needless_quantize import without_needless_quantize
from pipeline.quantization.output_types import restore_outputs
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.rules import Rules, of_format, of_operator
from pipeline.quantization.sequence_lstm import integer_lstms
from pipeline.quantization.shared_ranges import shared
from pipeline.recipe import Format, IoType, Keep
from pipeline.tflite import metadata
from pipeline.tflite.flatbuffer import operator_name, read, serialize, tensor_name
from pipeline.tflite.inspect import inspect
from pipeline.tflite.integer_shapes import shapes_of_integers
from pipeline.tflite.runtime_messages import without_messages
from pipeline.tflite.signature import output_names, with_signature
from pipeline.tflite.unshare_constants import unshare_constants

FORMATS: tuple[Format, ...] = get_args(Format)
NEEDS_RANGES: frozenset[Format] = frozenset(BASE)
"""Formats whose activations are integers: they need calibration or QAT, and only they have operators to keep."""

Statistics = Mapping[str, Mapping[str, np.ndarray]]
"""`{tensor: {"min": array, "max": array}}`, each with as many dimensions as the tensor has."""


def write(
    content: bytes,
    target: Format,
    ranges: Ranges | None = None,
    io_type: IoType = "int8",
    keep: Sequence[Keep] = (),
) -> bytes:
    """Quantize a float flatbuffer.

    Args:
        content: A float32 .tflite file's content.
        target: What to write; `int8` has one weight scale per output channel.
        ranges: (min, max) of every activation; needed by the formats of `NEEDS_RANGES`.
        io_type: Type of the inputs and outputs of the int8 formats. int16x8 takes int16 for `int8`.
        keep: Operators of the formats of `NEEDS_RANGES` that compute in another type; the later rule wins. The other
            formats compute in float and take no notice.

    Returns:
        The quantized .tflite content, with the metadata that the float one had. Operators that the format does not
        know stay float.

    Raises:
        InputError: ranges are needed and missing, or name none of the model's tensors; the model is quantized
            already; a keep rule matches no operator, or asks for a type that the operator does not come in.
        PipelineError: ai-edge-quantizer refuses the model.
    """
    check_is_float(content)
    content, described = metadata.take_out(content)
    if target == "float32":
        return metadata.write(content, described) if described else content
    if target not in NEEDS_RANGES:
        quantized = quantize(content, of_format(target), None)
    elif not ranges:
        raise InputError(f"The format {target} needs activation ranges: give a representative dataset or ranges.json.")
    else:
        content, kept, names = _keep(content, target, io_type, keep) if keep else (content, [], [])
        ranges = kernel_ranges(content, target, ranges, names)
        quantized = quantize(content, [*of_format(target, io_type), *kept], statistics(content, ranges))
        quantized = fit_biases(quantized, content)
        if target != "int16x8":  # whose kernel TFLite does not have
            quantized = integer_lstms(quantized, ranges, names)
        quantized = use_more_kernels(quantized, ranges, names)
        in_float = float_outputs(output_names(read(content)), keep) if keep else ()
        quantized = restore_outputs(quantized, content, io_type, in_float)
        quantized = without_needless_quantize(quantized)
    return metadata.write(quantized, described) if described else quantized


def quantize(content: bytes, rules: Rules, measured: Statistics | None) -> bytes:
    """Apply ai-edge-quantizer's rules.

    Args:
        content: A float .tflite without metadata. A signature is added where it has none.
        rules: See `pipeline.quantization.rules`.
        measured: :func:`statistics`; needed where a rule makes activations integers.

    Raises:
        PipelineError: ai-edge-quantizer refuses the model or the rules.
    """
    # ai-edge-quantizer updates the signature of inputs and outputs that it retypes, and expects one.
    writer = quantizer.Quantizer(bytearray(with_signature(content)))
    # It writes into the ranges where a kernel fixes the scale.
    own = None if measured is None else {name: dict(pair) for name, pair in measured.items()}
    try:
        writer.load_quantization_recipe(rules)
        with without_messages(), contextlib.redirect_stderr(io.StringIO()):  # its bar cannot be turned off
            result = writer.quantize(own, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        raise PipelineError(f"ai-edge-quantizer cannot write this model: {one_line(error, 600)}") from error
    return shapes_of_integers(bytes(result.quantized_model))


def kernel_ranges(content: bytes, target: Format, ranges: Ranges, kept: Collection[str] = ()) -> Ranges:
    """The ranges as the kernels can compute with them: shared where a scale is, none too narrow.

    Args:
        content: The float model.
        target: One of `NEEDS_RANGES`.
        ranges: As measured or learned.
        kept: Outputs of the operators that stay in float.
    """
    model = read(content)
    dtype: Dtype = "int16" if target == "int16x8" else "int8"
    ranges = without_masks(model, ranges, kept)
    # Widening one of a group widens all of it.
    return shared(model, wide_enough(model, shared(model, ranges, dtype, kept)), dtype, kept)


def statistics(content: bytes, ranges: Ranges) -> Statistics:
    """The ranges as ai-edge-quantizer takes them, each holding zero.

    Raises:
        InputError: they name none of the model's tensors, or the model loops at run time.
    """
    found = {}
    model = read(content)
    _refuse_loops(model)
    for graph in model.subgraphs:
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


def _refuse_loops(model: ModelT) -> None:
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if operator_name(model, operator) == "WHILE":
            raise InputError(
                f"'{tensor_name(graph.tensors[operator.outputs[0]])}' is computed in a loop at run time (WHILE), which "
                "has no int8 form. Build recurrent layers with unroll=True: every step is an operator then. Or take a "
                "format that keeps activations in float: --dynamic, --weight-only, --float16."
            )


def _keep(content: bytes, target: Format, io_type: IoType, keep: Sequence[Keep]) -> tuple[bytes, Rules, list[str]]:
    """The model in which kept operators share no constants with others, their rules, and outputs of those in float."""
    model = read(content)
    changed = False
    rules: Rules = []
    names = []
    for operator, compute in plan(inspect(content).operators, keep, target).items():
        if compute in ("float32", "float16"):
            names.append(operator.output)
        graph = model.subgraphs[operator.subgraph]
        own = graph.operators[operator.index]
        if compute == "int16x8" and io_type == "uint8" and not set(own.outputs).isdisjoint(graph.outputs):
            raise InputError(
                f"'{operator.output}' gives an output of the model and is to compute in int16x8: no kernel turns "
                "int16 into uint8. Take --io int8 or float32, or keep it in float32."
            )
        rules += of_operator(graph, own, operator.name, compute)
        changed |= unshare_constants(model, graph, [own])
    return serialize(model) if changed else content, rules, names
