"""The parts of outputs that join values of very different ranges, told apart: over the whole of such an output the
boxes' signal hides what becomes of the scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.fidelity import Noise
from pipeline.quantization.mixed_ranges import mixed_ranges, narrow_factors
from pipeline.quantization.ranges import Ranges
from pipeline.tensors import Array, Outputs
from pipeline.tflite import flatbuffer
from pipeline.tflite.joins import Join
from pipeline.tflite.prune import prune
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import output_names


@dataclass(frozen=True, eq=False)
class Parts:
    """Which part each value of a model's outputs belongs to."""

    labels: Mapping[str, Array] = field(default_factory=dict)
    """As :func:`part_labels` gives them; outputs that are not there are one part."""

    @classmethod
    def of(cls, content: bytes, ranges: Ranges) -> Parts:
        """Those of the outputs of a float .tflite that join parts of very different ranges."""
        return cls(part_labels(content, [join for join, _ in mixed_ranges(content, ranges)]))

    def split(self, name: str, values: Array) -> list[Array]:
        """The values of each part of an output, [B, …] → one [n] a part; the values themselves where it is one."""
        labels = self.labels.get(name)
        if labels is None or labels.shape[1:] != values.shape[1:]:
            return [values]
        return [values[np.broadcast_to(labels == label, values.shape)] for label in np.unique(labels[labels > 0])]

    def sqnr_db(self, answers: Iterable[tuple[Outputs, Outputs]]) -> float:
        """Signal to quantization noise ratio of the part that is worst off, in dB; infinite without noise.

        Args:
            answers: What is expected and what is found for the same examples, batch by batch; outputs go by their
                order, and parts without a signal do not count.
        """
        noises: dict[tuple[str, int], Noise] = {}
        varies: set[tuple[str, int]] = set()
        for expected, found in answers:
            for (name, wanted), own in zip(expected.real.items(), found.real.values(), strict=True):
                pairs = zip(self.split(name, wanted), self.split(name, own), strict=True)
                for number, (one, other) in enumerate(pairs):
                    noises.setdefault((name, number), Noise()).add(one, other)
                    if name not in self.labels or (one.size and np.ptp(one) > 0):
                        varies.add((name, number))
        return min((noise.sqnr_db for key, noise in noises.items() if key in varies), default=math.inf)


def part_labels(content: bytes, found: Sequence[Join]) -> dict[str, Array]:
    """Which part each value of an output came from, by the output's name: 1, 2, …; 0 where none of them did.

    The operators from the joining to the output are run on the parts' numbers in place of their values. Outputs of
    which that cannot be done (shapes that the model computes) are left out.

    Args:
        content: A float .tflite file's content.
        found: Joined tensors; of several on the way to an output the last one's parts are told apart.

    Returns:
        [1, …] each.
    """
    labels: dict[str, Array] = {}
    for join in found:
        model = flatbuffer.read(content)
        names = output_names(model)
        try:
            values = _moved_numbers(model, join)
        except (InputError, PipelineError):
            continue
        labels |= {names[position]: value for position, value in zip(join.outputs, values, strict=True)}
    return labels


def _moved_numbers(model: ModelT, join: Join) -> list[Array]:
    graph = model.subgraphs[0]
    outputs = [int(graph.outputs[position]) for position in join.outputs]
    apart = {join.joined: narrow_factors(join.factors) + np.float32(1)} if join.factors is not None else {}
    places = {*join.behind} if apart else {join.place, *join.behind}
    graph.operators = [graph.operators[place] for place in sorted(places)]
    made = {int(index) for operator in graph.operators for index in operator.outputs}
    read = dict.fromkeys(int(index) for operator in graph.operators for index in operator.inputs if index >= 0)
    for index in join.parts:  # constants that are parts are numbered too
        graph.tensors[index].buffer = 0
    graph.inputs = [i for i in read if i not in made and not flatbuffer.is_constant(model, graph.tensors[i])]
    graph.outputs = list(dict.fromkeys(outputs))
    order = list(graph.inputs)
    numbers = [
        apart[index] if index in apart else np.float32(join.parts.index(index) + 1 if index in join.parts else 0)
        for index in order
    ]
    if not graph.operators:
        return [apart[index] for index in outputs]
    model.signatureDefs = []
    prune(model)
    runner = Runner(flatbuffer.serialize(model))
    if any(spec.dtype != np.float32 for spec in runner.inputs):
        raise InputError("A shape is computed.")
    fed = zip(runner.inputs, numbers, strict=True)
    runner.feed(*(np.ascontiguousarray(np.broadcast_to(number, spec.shape), np.float32) for spec, number in fed))
    runner.invoke()
    values = dict(zip(dict.fromkeys(outputs), [view.copy() for view in runner.views()], strict=True))
    return [values[index] for index in outputs]
