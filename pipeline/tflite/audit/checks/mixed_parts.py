"""Does one scale serve parts of very different ranges, boxes and scores, so that the small ones have no steps left?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, OperatorT

from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.subject import LIMITS, Subject
from pipeline.tflite.few_steps import CHECK, Mixed, Part, findings
from pipeline.tflite.joins import Join, joins, without_conversions
from pipeline.tflite.signature import output_names

__all__ = ["CHECK", "check"]
_BOUNDED = {"LOGISTIC": (0.0, 1.0), "SOFTMAX": (0.0, 1.0), "TANH": (-1.0, 1.0)}
_FUSED = {
    ActivationFunctionType.RELU6: (0.0, 6.0),
    ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
    ActivationFunctionType.TANH: (-1.0, 1.0),
}
_REMEDY = (
    "Quantize again from the float model: `pipeline export --int8` joins such parts in float by itself, the output's "
    "name, shape and values stay and its type becomes float32 (quantize.mixed_ranges). Or give the model an output for "
    "each part, or divide the boxes by the input's size."
)


def check(subject: Subject) -> list[Finding]:
    mixed = list(_mixed(subject))
    ruined = [one for one in mixed if one.outputs and any(part.steps < 1 for part in one.lost)]
    others = [one for one in mixed if one not in ruined]
    return [*findings(ruined, "error", _REMEDY), *findings(others, "warning", _REMEDY)]


def _mixed(subject: Subject) -> Iterator[Mixed]:
    graph, names = subject.model.subgraphs[0], output_names(subject.model)
    for join in joins(subject.model):
        tensor = graph.tensors[join.joined]
        parameters = flatbuffer.quantization(tensor)
        if parameters is None or flatbuffer.tensor_type(tensor) not in ("int8", "uint8") or parameters.scales[0] <= 0:
            continue
        scale = float(parameters.scales[0])
        parts = tuple(part for index in join.parts if (part := _part(subject, join, index, scale)) is not None)
        operator = flatbuffer.operator_name(subject.model, graph.operators[join.place])
        outputs = tuple(names[position] for position in join.outputs)
        one = Mixed(operator, join.place, flatbuffer.tensor_name(tensor), scale, parts, outputs)
        if len(join.parts) > 1 and one.lost:
            yield one


def _part(subject: Subject, join: Join, index: int, scale: float) -> Part | None:
    """What the file, or data, tells of the values of one part; None for constants."""
    graph = subject.model.subgraphs[0]
    tensor = graph.tensors[index]
    if flatbuffer.is_constant(subject.model, tensor):
        return None
    source = without_conversions(subject.model, index)
    name = flatbuffer.tensor_name(graph.tensors[source])
    low, high = _bounds(subject, source)
    steps = (high - low) / scale
    seen = (subject.observed or {}).get(flatbuffer.tensor_name(tensor))
    if seen is not None and seen.values:
        steps = min(steps, seen.used - 1)
        high = min(high, low + steps * scale)
    return Part(name, low, high, steps) if np.isfinite(steps) else None


def _bounds(subject: Subject, index: int) -> tuple[float, float]:
    """What a tensor can hold at most: by its scale, or by what makes it."""
    graph = subject.model.subgraphs[0]
    tensor = graph.tensors[index]
    parameters = flatbuffer.quantization(tensor)
    low, high = -np.inf, np.inf
    if parameters is not None and len(parameters.scales) == 1:
        limits = LIMITS.get(flatbuffer.tensor_type(tensor), (-np.inf, np.inf))
        low, high = ((end - int(parameters.zero_points[0])) * float(parameters.scales[0]) for end in limits)
    place = flatbuffer.producers(graph).get(index)
    bounds = None if place is None else _of_operator(subject, graph.operators[place])
    return (low, high) if bounds is None else (max(low, bounds[0]), min(high, bounds[1]))


def _of_operator(subject: Subject, operator: OperatorT) -> tuple[float, float] | None:
    fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    return _BOUNDED.get(flatbuffer.operator_name(subject.model, operator)) or _FUSED.get(fused)
