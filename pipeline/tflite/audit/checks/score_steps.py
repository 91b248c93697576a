"""Which thresholds int8 scores can tell apart, and does a SOFTMAX run over more values than its steps can share?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pipeline.finding import Finding
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.formatting import short
from pipeline.tflite.audit.subject import LIMITS, Subject
from pipeline.tflite.joins import JOINS, MOVES, without_conversions
from pipeline.tflite.signature import output_names

CHECK = "score steps"
_SCORES = ("LOGISTIC", "SOFTMAX")


def check(subject: Subject) -> list[Finding]:
    return [*_thresholds(subject), *_long_softmax(subject)]


def _thresholds(subject: Subject) -> Iterator[Finding]:
    """What the task's threshold becomes among the steps of the scores."""
    described = subject.inspection.metadata
    told = _told(described.task if described else {})
    if not told:
        return
    steps: dict[tuple[float, int], list[str]] = {}
    for position, name in enumerate(output_names(subject.model)):
        for parameters in _scores_behind(subject, int(subject.model.subgraphs[0].outputs[position])):
            if name not in steps.setdefault(parameters, []):
                steps[parameters].append(name)
    for (scale, zero_point), names in steps.items():
        for key, value in told.items():
            step = int(np.ceil(np.float32(value) / np.float32(scale)))
            least = f"{step * scale:.4g} ({step + zero_point} as int8) is the least score that passes"
            yield Finding(
                CHECK,
                "note",
                f"The scores of {', '.join(map(repr, names))} come in steps of {scale:.4g} (1/{1 / scale:.0f}). Of "
                f"{key} {value:g}, {least}, {(step - 1) * scale:.4g} the largest that does not.",
                "Scores between two steps are rounded: one near the threshold may pass in float and not in int8, and "
                "many are equal.",
                f"A threshold halfway between two steps, {(step - 0.5) * scale:.4g}, means the same to both.",
                {"outputs": names, "scale": scale, key: value, "step": step},
            )


def _told(task: Mapping[str, object]) -> dict[str, float]:
    """The thresholds of scores among a task's options."""
    return {
        key: float(value)
        for key, value in task.items()
        if key in ("threshold", "score_threshold") and isinstance(value, int | float) and 0 < value < 1
    }


def _scores_behind(subject: Subject, output: int) -> Iterator[tuple[float, int]]:
    """Scale and zero point of the sigmoids and softmaxes whose values are moved and joined to an output."""
    graph = subject.model.subgraphs[0]
    producers = flatbuffer.producers(graph)
    seen, open_ones = set[int](), [output]
    while open_ones:
        index = without_conversions(subject.model, open_ones.pop())
        place = producers.get(index)
        if place is None or place in seen:
            continue
        seen.add(place)
        operator = graph.operators[place]
        kind = flatbuffer.operator_name(subject.model, operator)
        parameters = flatbuffer.quantization(graph.tensors[index])
        if kind in _SCORES and parameters is not None and len(parameters.scales) == 1 and parameters.scales[0] > 0:
            yield float(parameters.scales[0]), int(parameters.zero_points[0])
        elif kind in JOINS | MOVES:
            open_ones += [int(one) for one in operator.inputs if one >= 0]


def _long_softmax(subject: Subject) -> list[Finding]:
    """Over n values the mean is 1/n, which int8's steps of 1/256 round to 0 where n is large."""
    found = []
    graph, outputs = subject.model.subgraphs[0], output_names(subject.model)
    for operator in subject.inspection.operators:
        if operator.subgraph or operator.name != "SOFTMAX" or operator.compute not in LIMITS:
            continue
        index = int(graph.operators[operator.index].outputs[0])
        tensor = graph.tensors[index]
        parameters, shape = flatbuffer.quantization(tensor), flatbuffer.tensor_shape(tensor)
        if parameters is None or not shape or shape[-1] * float(parameters.scales[0]) <= 1:
            continue
        length, scale = shape[-1], float(parameters.scales[0])
        ends = [name for name, end in zip(outputs, graph.outputs, strict=True) if int(end) == index]
        found.append(
            Finding(
                CHECK,
                "warning" if ends else "note",
                f"SOFTMAX '{short(operator.output)}' runs over {length} values, the last axis of {list(shape)}, in "
                f"steps of {scale:.4g}: shares below {scale / 2:.2g} become 0, and the mean is {1 / length:.2g}.",
                "Only what stands out keeps a value. Over classes that is harmless; over anchors or places it is not.",
                "If the axis is the wrong one, transpose before the softmax. Else keep it in float: "
                f"--keep type:SOFTMAX=float32{', and its output: --keep type:OUTPUT' if ends else ''}.",
                {"operator": operator.index, "length": length, "scale": scale, "outputs": ends},
            )
        )
    return found
