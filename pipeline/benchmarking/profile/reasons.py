"""Why an operator is slow in int8."""

from __future__ import annotations

from collections.abc import Sequence

from ai_edge_litert.schema_py_generated import ModelT

from pipeline.tflite import flatbuffer
from pipeline.tflite.delegation import instead, why_not
from pipeline.tflite.inspect import Operator
from pipeline.tflite.joins import JOINS
from pipeline.tflite.verdict import is_float
from pipeline.tflite.work import Work

_MOVES = frozenset(
    {"TRANSPOSE", "PAD", "PADV2", "CONCATENATION", "SPLIT", "SLICE", "STRIDED_SLICE", "PACK", "UNPACK", "GATHER"}
    | {"SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MIRROR_PAD"}
)
_POOR = 0.8
"""Below this utilisation, channel counts that do not fit are a reason."""
NO_FASTER = 0.9
"""int8 that takes more than this share of float's time is not faster."""
MATTERS = 0.01
"""Below this share of the model's time, why is not asked; what is not in XNNPACK's int8 is named all the same."""
DOT_PRODUCTS = frozenset(
    {"avx_vnni", "avx_vnni_int8", "avx512_vnni", "amx_int8", "dotprod", "i8mm", "svei8mm", "smei8i32"}
)
"""Instruction sets that multiply and sum int8 by fours or more."""


def reasons(
    model: ModelT,
    operator: Operator,
    work: Work,
    *,
    delegated: bool,
    share: float,
    ratio: float | None,
    int8: Sequence[str],
) -> tuple[str, ...]:
    """What keeps an operator from being fast, the weightiest first; nothing where nothing does.

    Args:
        model: The model.
        operator: One of its main graph's.
        work: What it multiplies.
        delegated: XNNPACK runs it.
        share: Of the whole model's time, 0..1.
        ratio: Its time by that of the float model's operator; None where there is none.
        int8: This host's instruction sets for int8.
    """
    found = []
    if not delegated:
        other = instead(operator.name)
        found.append(f"not delegated: {why_not(model, operator.index)}" + (f"; {other}" if other else ""))
    found += _by_type(model, operator)
    if share < MATTERS:
        return tuple(found)
    found += _by_kind(operator)
    slow = ratio is not None and ratio > NO_FASTER
    if work.macs and not work.depthwise and delegated:
        found += _by_channels(work)
    if work.depthwise and (slow or ratio is None):
        found.append("depthwise: few multiplications for each value moved, int8 gains little")
    elif slow and work.macs and not DOT_PRODUCTS.intersection(int8):
        found.append("this host has no int8 dot product: it multiplies as fast in float")
    elif slow and not found:
        found.append("no reason known" if work.macs else "it only passes values through: its time is that of memory")
    return tuple(found)


def _by_type(model: ModelT, operator: Operator) -> list[str]:
    if operator.name in ("QUANTIZE", "DEQUANTIZE"):
        return [] if operator.boundary else [_conversion(model, operator)]
    if operator.compute is None:
        return []
    if is_float(operator.compute):
        stored = {dtype for dtype in operator.constants if dtype in ("int8", "uint8", "int4")}
        if stored:
            return [f"dynamic range: {stored.pop()} weights, but float activations"]
        return ["float: this operator stayed out of int8"]
    if operator.compute == "uint8":
        return ["uint8: XNNPACK has no dot-product kernels for the scheme before int8"]
    return []


def _conversion(model: ModelT, operator: Operator) -> str:
    graph = model.subgraphs[0]
    producers = flatbuffer.producers(graph)
    source = graph.operators[operator.index].inputs[0]
    if source in producers and operator.name == "QUANTIZE":
        before = flatbuffer.operator_name(model, graph.operators[producers[source]])
        if before == "DEQUANTIZE":
            return "a DEQUANTIZE and QUANTIZE pair with nothing between"
    if operator.name == "QUANTIZE" and operator.inputs and not is_float(operator.inputs[0]):
        readers = flatbuffer.consumers(graph).get(int(graph.operators[operator.index].outputs[0]), [])
        kinds = sorted({flatbuffer.operator_name(model, graph.operators[place]) for place in readers} & JOINS)
        return f"requantization: branches that meet{f' in {kinds[0]}' if kinds else ''} have other scales"
    return "a conversion between float and integers in the middle of the model"


def _by_kind(operator: Operator) -> list[str]:
    if operator.name == "TRANSPOSE":
        return ["layout: it only moves values, as between channels first and channels last"]
    if operator.name in _MOVES:
        return ["layout: it only moves values"]
    return []


def _by_channels(work: Work) -> list[str]:
    group = 4
    use = work.utilisation(group)
    if use >= _POOR:
        return []
    odd = []
    if work.depth % group:
        odd.append(f"{work.depth} input channels (taken by {group})")
    if work.channels % 16:
        odd.append(f"{work.channels} output channels (taken by 16)")
    return [f"odd channel counts: {' and '.join(odd)}, {100 * (1 - use):.0f} % of the multiplications are of zeros"]
