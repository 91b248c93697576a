"""The quantization scheme of a model, classified from its operators' types, and the promise that it is kept.

A model is named after what it computes, never after what it was meant to be: one float operator inside makes
it 'mixed', one layer with a single scale makes it per-tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InputError, PipelineError, did_you_mean

if TYPE_CHECKING:
    from pipeline.tflite.inspect import Inspection, Operator, Port, Weights

CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})

_NO_VALUES = frozenset({"int32", "int64", "bool"})
"""Types of inputs that are indices, counts or flags: they have no scale and are never quantized."""
_INTEGER_WEIGHTS = ("int8", "int4", "int2", "uint8")
_REASONS_SHOWN = 5

_PROMISES = {
    "int8": "full int8, per-channel",
    "int8_per_tensor": "full int8, per-tensor",
    "int8_float_io": "int8 with float inputs/outputs, per-channel",
    "int16x8": "int16 activations, int8 weights (16x8)",
    "dynamic": "dynamic range",
    "weight_only": "weight-only int8, per-channel",
    "float16": "float16 weights",
    "float32": "float32",
}


@dataclass(frozen=True)
class Verdict:
    """What a model is."""

    kind: str
    """int8, int8_per_tensor, int8_float_io, int8x4, int16x8, uint8, mixed, dynamic, weight_only, float16, float32, or
    none where no operator computes with values."""
    text: str
    """The same as a sentence for people."""
    breaks: tuple[str, ...]
    """What keeps it from full int8, per-channel: operators and tensors by name. Empty when it is that."""


def is_float(dtype: str) -> bool:
    return dtype.startswith(("float", "bfloat"))


def verdict(operators: Sequence[Operator], inputs: Sequence[Port], outputs: Sequence[Port]) -> Verdict:
    """Classifies a model by the operators of all its subgraphs and the inputs and outputs of the main one."""
    computing = [op for op in operators if op.compute]
    in_float = [op for op in computing if is_float(str(op.compute))]
    # A value that is dequantized and quantized again inside the graph takes a detour through float.
    detours = [op for op in operators if op.name == "DEQUANTIZE" and op.inputs and not op.boundary]
    io = _io_breaks(inputs, outputs)
    if len(in_float) == len(computing) and (in_float or _has_float(inputs, outputs)):
        return _float_verdict(operators, in_float, io, [port.name for port in (*inputs, *outputs) if port.scale])
    if not computing and not any(port.scale for port in (*inputs, *outputs)):
        what = "neither float nor quantized: text, indices and counts alone"
        return Verdict("none", what, ("no operator computes in int8",))
    if in_float or detours:
        text = f"mixed: {len(in_float)} of {len(computing)} operators in float"
        if not in_float:
            text += f", but {len(detours)} DEQUANTIZE inside the model"
        reasons = [f"{op} computes in {op.compute}" for op in in_float]
        reasons += [f"{op} leaves int8 inside the model" for op in detours if not in_float]
        return Verdict("mixed", text, (*reasons, *io))
    return _integer_verdict(computing, inputs, outputs, io)


def require(inspection: Inspection, promise: str) -> None:
    """Holds a model to a promise: int8, int8_per_tensor, int8_float_io, int16x8, dynamic, weight_only, float16 or
    float32.

    'int8' is kept when every operator computes in int8, all weights are per channel and symmetric, and inputs
    and outputs are int8 or uint8; 'int8_per_tensor' when all weights have one scale instead; 'int8_float_io'
    when nothing but inputs or outputs is float; 'weight_only' when the operators compute in float and all their
    weights are int8, per channel.

    Raises:
        PipelineError: the model is something else; the message names what breaks the promise.
        InputError: there is no promise of that name.
    """
    if promise not in _PROMISES:
        raise InputError(f"'{promise}' is not a format a model can be held to.{did_you_mean(promise, _PROMISES)}")
    found = inspection.verdict
    weights = [op.weights for op in inspection.operators if op.weights]
    reasons: Sequence[str] = found.breaks
    if promise == "int8":
        kept = not found.breaks
    elif promise == "int8_per_tensor":
        reasons = [f"weights '{w.tensor}' have {w.scales} scales" for w in weights if w.scales > 1] or reasons
        kept = found.kind in ("int8", "int8_per_tensor") and all(w.scales == 1 for w in weights)
    elif promise == "int8_float_io":
        expected = _io_breaks(inspection.inputs, inspection.outputs)
        reasons = [reason for reason in found.breaks if reason not in expected]
        kept = found.kind == promise and not reasons
    elif promise == "weight_only":
        reasons = [f"weights '{w.tensor}' are {w.dtype}" for w in weights if w.dtype != "int8"]
        reasons += [
            f"weights '{w.tensor}' have {_scales(w)} for {w.channels} output channels"
            for w in weights
            if w.dtype == "int8" and not w.per_channel
        ]
        kept = found.kind == promise and not reasons
    else:
        # Reasons against int8 are none against another format.
        reasons, kept = [], found.kind == promise
    if kept:
        return
    name = inspection.file or "The model given as bytes"
    shown = "; ".join(reasons[:_REASONS_SHOWN])
    rest = f"; and {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
    because = f" What breaks it: {shown}{rest}." if shown else ""
    remedy = "Quantize it again with that format, or hold it to what it is."
    if promise == "float32":
        remedy = "float32 is the model as it was given: give the float model that it was made from."
    raise PipelineError(f"{name} is not {_PROMISES[promise]}. It is {found.text}.{because} {remedy}")


def _float_verdict(
    operators: Sequence[Operator], in_float: Sequence[Operator], io: list[str], quantized: Sequence[str]
) -> Verdict:
    """All operators compute in float: what is left to tell is how the weights are stored and read."""
    read_directly = {dtype for op in in_float for dtype in op.constants}
    dequantized = {dtype for op in operators if op.name == "DEQUANTIZE" for dtype in op.constants}
    fake = sum(op.name == "DEQUANTIZE" and bool(op.inputs) for op in operators)
    if stored := [dtype for dtype in _INTEGER_WEIGHTS if dtype in read_directly]:
        kind, text = "dynamic", "dynamic range" + ("" if "int8" in stored else f", {stored[0]} weights")
    elif stored := [dtype for dtype in _INTEGER_WEIGHTS if dtype in dequantized]:
        kind, text = "weight_only", f"weight-only {stored[0]}"
    elif "float16" in read_directly | dequantized:
        kind, text = "float16", "float16 weights"
    else:
        kind, text = "float32", "float32"
    reasons = [f"all {len(in_float)} operators compute in float"]
    if fake:
        text += f", with fake quantization ({fake} QUANTIZE/DEQUANTIZE pairs)"
        reasons.append(f"{fake} QUANTIZE/DEQUANTIZE pairs only imitate int8; the model was not quantized")
    if quantized:
        text += f", but for {' and '.join(map(repr, quantized))}, which it takes or gives in integers"
    return Verdict(kind, text, (*reasons, *io))


def _integer_verdict(
    computing: Sequence[Operator], inputs: Sequence[Port], outputs: Sequence[Port], io: list[str]
) -> Verdict:
    """No operator computes in float."""
    types = Counter(str(op.compute) for op in computing)
    reasons = [f"{op} computes in {op.compute}" for op in computing if op.compute != "int8"]
    if len(types) > 1:
        others = " and ".join(f"{n} in {dtype}" for dtype, n in types.most_common() if dtype != "int8")
        return Verdict("mixed", f"mixed: of {len(computing)} operators {others}", (*reasons, *io))
    if "int16" in types:
        floats = _io_text(inputs, outputs, "float")
        text = _PROMISES["int16x8"] + (f", with {floats}" if floats else "")
        return Verdict("int16x8", text, (f"all {len(computing)} operators have int16 activations", *io))
    if "uint8" in types:
        reason = f"all {len(computing)} operators compute in uint8, with asymmetric weights"
        return Verdict("uint8", "full uint8, asymmetric: the scheme before int8", (reason, *io))

    weights = [op.weights for op in computing if op.weights]
    narrow = [w for w in weights if w.dtype != "int8"]
    coarse = [w for w in weights if not w.per_channel]
    reasons = [f"weights '{w.tensor}' are {w.dtype}" for w in narrow]
    reasons += [f"weights '{w.tensor}' have {_scales(w)} for {w.channels} output channels" for w in coarse]
    reasons += [f"weights '{w.tensor}' are not symmetric" for w in weights if w.symmetric is False]
    if narrow:
        kind, text = (
            "int8x4",
            f"int8 activations, {narrow[0].dtype} weights in {len(narrow)} of {len(weights)} layers",
        )
    elif not weights:
        kind, text = "int8", "full int8, no weights"
    elif not coarse:
        kind, text = "int8", "full int8, per-channel"
    else:
        share = f" in {len(coarse)} of {len(weights)} layers" if len(coarse) < len(weights) else ""
        kind, text = "int8_per_tensor", "full int8, per-tensor" + share
    if floats := _io_text(inputs, outputs, "float"):
        kind = "int8_float_io"
        text = f"int8 with {floats}" + ("" if not reasons else f", {text.removeprefix('full int8, ')}")
    elif unsigned := _io_text(inputs, outputs, "uint8"):
        text += f", {unsigned}"
    if unquantized := sorted({port.dtype for port in inputs if port.dtype in _NO_VALUES}):
        text += f", {' and '.join(unquantized)} inputs as they are"
    return Verdict(kind, text, (*reasons, *io))


def _scales(weights: Weights) -> str:
    return f"{weights.scales} scale{'s' * (weights.scales != 1)}"


def _has_float(inputs: Sequence[Port], outputs: Sequence[Port]) -> bool:
    return any(is_float(port.dtype) for port in (*inputs, *outputs))


def _io_breaks(inputs: Sequence[Port], outputs: Sequence[Port]) -> list[str]:
    """Inputs and outputs that carry values, not indices, in another type than 8-bit integers."""
    ports = [("input", port) for port in inputs] + [("output", port) for port in outputs]
    return [
        f"{what} '{port.name}' is {port.dtype}" for what, port in ports if is_float(port.dtype) or port.dtype == "int16"
    ]


def _io_text(inputs: Sequence[Port], outputs: Sequence[Port], dtype: str) -> str:
    """'float inputs/outputs', 'float inputs', 'float outputs' or nothing."""
    sides = [
        side
        for side, ports in (("inputs", inputs), ("outputs", outputs))
        if any(port.dtype.startswith(dtype) for port in ports)
    ]
    return f"{dtype} {'/'.join(sides)}" if sides else ""
