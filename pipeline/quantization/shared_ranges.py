"""One range for all activations between which values are only moved.

RESHAPE, SPLIT, GATHER, MAX_POOL_2D and their like give integers with the scale of those they take, so their inputs and
outputs have one scale, whatever was measured of each: the range is the union. CONCATENATION, PACK, MAXIMUM, SELECT_V2
and others bring several inputs to one scale. An input whose own range is about as wide, or that nothing else computes
with, joins in; one that is much narrower and computed with elsewhere keeps its finer steps, and a QUANTIZE stands
between. Which operators these are is in `kernel_table`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorType

from pipeline.quantization.kernel_table import Dtype, found
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer

WIDENED = 1.5
"""Most that the range of an activation that is computed with elsewhere too may be widened.

With branches whose sizes differ (`benchmarks/shared_ranges.py`), 1.25 to 1.5 gain up to 0.7 dB over a QUANTIZE before
every CONCATENATION and save most of them; 2 loses up to 0.6 dB, and sharing without a limit 3 to 10.
"""
_LEVELS = {"int8": 255, "int16": 65534}
_FLOAT32 = TensorType.FLOAT32


def shared(model: ModelT, ranges: Ranges, dtype: Dtype = "int8", kept: Collection[str] = ()) -> Ranges:
    """The ranges, the same within each group of activations that share a scale.

    Args:
        model: The float model. Read, not changed.
        ranges: (min, max) of its activations by tensor name.
        dtype: Of the integers that they are for.
        kept: Outputs of operators that compute in float; nothing is shared over them.

    Returns:
        Also the ranges of constants that are only moved, such as the table of an embedding.
    """
    groups = _Groups(model, ranges, dtype, kept)
    for operator in groups.movers:
        groups.join_moved(operator)
    groups.remember_widths()
    for operator in groups.joiners:
        groups.join_inputs(operator)
    return Ranges({**ranges.pairs, **groups.ranges()}, ranges.method)


class _Groups:
    """Union-find over the tensors of the main graph."""

    def __init__(self, model: ModelT, ranges: Ranges, dtype: Dtype, kept: Collection[str]) -> None:
        self._model, self._graph, self._dtype = model, model.subgraphs[0], dtype
        self._names = [flatbuffer.tensor_name(tensor) for tensor in self._graph.tensors]
        self._parent: dict[int, int] = {}
        self._range: dict[int, tuple[float, float]] = {}
        self._pinned: dict[int, tuple[float, float]] = {}
        """The range that a kernel demands, of groups that have one, by root."""
        consumers = flatbuffer.consumers(self._graph)
        operators = self._graph.operators
        in_integers = [
            operator for operator in operators if not any(self._names[int(i)] in kept for i in operator.outputs)
        ]
        same = [operator for operator in in_integers if self._scheme(operator) == "same" and self._floats(operator)]
        self.movers = [operator for operator in same if len(self._floats(operator)) == 1]
        self.joiners = [operator for operator in same if len(self._floats(operator)) > 1]
        moving = {id(operator) for operator in same}
        ends = {int(index) for index in (*self._graph.inputs, *self._graph.outputs)}
        self._computed_with = {
            index
            for index in range(len(self._names))
            if index in ends or any(id(operators[place]) not in moving for place in consumers.get(index, []))
        }
        """Tensors that other operators read than those that only move values, and the model's inputs and outputs."""
        for index, name in enumerate(self._names):
            if name in ranges:
                self._range[index] = (min(ranges[name][0], 0.0), max(ranges[name][1], 0.0))
        for operator in self._moved_constants():
            [index] = self._floats(operator)
            values = flatbuffer.tensor_data(model, self._graph.tensors[index])
            if values is not None and values.size:
                self._range[index] = (min(float(values.min()), 0.0), max(float(values.max()), 0.0))
        for operator in in_integers:
            demanded = found(flatbuffer.operator_name(model, operator), dtype)
            if demanded is not None and demanded.scale is not None:
                self._pin(int(operator.outputs[0]), demanded.scale, demanded.zero_point)
        self._members = {index: {index} for index in self._range}
        self._own_width: dict[int, float] = {}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Of every tensor that shares its range or whose kernel demands one, constants that are moved too, by name."""
        return {
            self._names[index]: self._range[root]
            for root, members in self._members.items()
            for index in members
            if len(members) > 1 or root in self._pinned
        }

    def remember_widths(self) -> None:
        """Of the groups that are computed with, so far: what widening is counted from, however many join later."""
        self._own_width = {
            root: math.inf if self._computed_with.isdisjoint(members) else _width(self._range[root])
            for root, members in self._members.items()
        }

    def join_moved(self, operator: OperatorT) -> None:
        """One group of what is moved and where to."""
        [source] = self._floats(operator)
        for index in operator.outputs:
            if source in self._range and int(index) in self._range:
                pin = self._pinned.get(self._find(source))
                self._unite(source, int(index), pin or self._union(source, int(index)))

    def join_inputs(self, operator: OperatorT) -> None:
        """One group of the output and of those inputs that lose next to nothing by it."""
        output = int(operator.outputs[0])
        for source in self._floats(operator):
            if source not in self._range or output not in self._range or self._find(source) == self._find(output):
                continue
            union = self._union(source, output)
            if union is not None and self._bears(source, union) and self._bears(output, union):
                self._unite(source, output, union)

    def _bears(self, index: int, union: tuple[float, float]) -> bool:
        own = self._own_width[self._find(index)]
        return own > 0 and _width(union) <= WIDENED * own

    def _union(self, first: int, second: int) -> tuple[float, float] | None:
        """None where a kernel demands a range that does not hold the other's."""
        roots = [self._find(index) for index in (first, second)]
        pairs = [self._range[root] for root in roots]
        union = _hull(pairs[0], pairs[1], _LEVELS[self._dtype])
        pins = [self._pinned[root] for root in roots if root in self._pinned]
        if not pins:
            return union
        pin = pins[0]
        step = _width(pin) / _LEVELS[self._dtype]
        holds = all(_close(one, pin) for one in pins) and pin[0] - step <= union[0] and union[1] <= pin[1] + step
        return pin if holds else None

    def _unite(self, first: int, second: int, union: tuple[float, float] | None) -> None:
        root, other = self._find(first), self._find(second)
        if union is None or root == other:
            return
        self._parent[other] = root
        self._range[root] = union
        self._members[root] |= self._members.pop(other)
        if self._own_width:
            self._own_width[root] = min(self._own_width[root], self._own_width[other])
        if other in self._pinned:
            self._pinned[root] = self._pinned[other]

    def _find(self, index: int) -> int:
        while index in self._parent:
            index = self._parent[index]
        return index

    def _pin(self, index: int, scale: float, zero_point: int) -> None:
        if index not in self._range:
            return
        first, last = (-128, 127) if self._dtype == "int8" else (-32767, 32767)
        self._pinned[index] = self._range[index] = ((first - zero_point) * scale, (last - zero_point) * scale)

    def _moved_constants(self) -> Iterator[OperatorT]:
        """Operators that move a constant which nothing else reads."""
        consumers = flatbuffer.consumers(self._graph)
        movers = {id(operator) for operator in self.movers}
        for operator in self.movers:
            [index] = self._floats(operator)
            readers = (self._graph.operators[place] for place in consumers.get(index, []))
            if flatbuffer.is_constant(self._model, self._graph.tensors[index]) and all(
                id(r) in movers for r in readers
            ):
                yield operator

    def _scheme(self, operator: OperatorT) -> str | None:
        tried = found(flatbuffer.operator_name(self._model, operator), self._dtype)
        values = all(self._graph.tensors[int(index)].type == _FLOAT32 for index in operator.outputs)
        return tried.scheme if tried is not None and values else None

    def _floats(self, operator: OperatorT) -> list[int]:
        tensors = self._graph.tensors
        return [int(index) for index in operator.inputs if index >= 0 and tensors[int(index)].type == _FLOAT32]


def _width(pair: tuple[float, float]) -> float:
    return pair[1] - pair[0]


def _hull(first: tuple[float, float], second: tuple[float, float], levels: int) -> tuple[float, float]:
    """The union; the second or first as it is where it holds the other within half a step.

    Fake-quant shifts a range by as much, so that zero is one of its steps; QAT trained with those steps and no others.
    """
    union = min(first[0], second[0]), max(first[1], second[1])
    for own in (second, first):
        step = _width(own) / levels
        if own[0] - union[0] <= step / 2 and union[1] - own[1] <= step / 2:
            return own
    return union


def _close(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-9) for a, b in zip(first, second, strict=True))
