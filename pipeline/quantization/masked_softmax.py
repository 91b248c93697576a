"""Ranges of attention masks: −1e9 before a SOFTMAX means "never", and 256 steps down to it would leave no other value.

Keras and transformers add a large negative number to the scores that shall not count, or select it in their place. As
far as the softmax can tell, any number some way below the least score says the same, so the range ends there and int8
saturates.
"""

from __future__ import annotations

from collections.abc import Collection

from ai_edge_litert.schema_py_generated import ModelT, OperatorT, TensorType

from pipeline.quantization.kernel_table import scheme
from pipeline.quantization.ranges import Ranges
from pipeline.tflite import flatbuffer

MASK = -1e4
"""Values as low as this are masks: float16 models take −1e4, others −1e9 or the type's least value."""
MARGIN = 8.0
"""How far below the least score a masked one lies at most: its weight is e^−8 of the least that counts."""
_SELECTS = ("SELECT", "SELECT_V2")
Pair = tuple[float, float]


def without_masks(model: ModelT, ranges: Ranges, kept: Collection[str] = ()) -> Ranges:
    """The ranges, those of masked scores and of their masks ending a little below the scores.

    Args:
        model: The float model. Read, not changed.
        ranges: (min, max) of its activations by tensor name.
        kept: Outputs of operators that compute in float; they are left as they are.

    Returns:
        Also the ranges of constants that are masks.
    """
    masks = _Masks(model, ranges, kept)
    for operator in model.subgraphs[0].operators:
        if flatbuffer.operator_name(model, operator) == "SOFTMAX":
            masks.end_above(int(operator.inputs[0]))
    return Ranges({**ranges.pairs, **masks.ended}, ranges.method) if masks.ended else ranges


class _Masks:
    def __init__(self, model: ModelT, ranges: Ranges, kept: Collection[str]) -> None:
        self._model, self._graph, self._ranges, self._kept = model, model.subgraphs[0], ranges, kept
        self._producers = flatbuffer.producers(self._graph)
        self._consumers = flatbuffer.consumers(self._graph)
        self._names = [flatbuffer.tensor_name(tensor) for tensor in self._graph.tensors]
        self.ended: dict[str, Pair] = {}

    def end_above(self, logits: int) -> None:
        """Let the ranges between a mask and what a SOFTMAX reads end a little below the scores."""
        path = [logits]
        while (maker := self._maker(path[-1])) is not None and len(self._consumers.get(path[-1], [])) == 1:
            kind, floats = flatbuffer.operator_name(self._model, maker), self._floats(maker)
            if kind == "ADD" or kind in _SELECTS:
                self._end(path, kind, floats)
                return
            if scheme(kind, "int8") != "same" or len(floats) != 1:
                return
            path.append(floats[0])

    def _end(self, path: list[int], kind: str, operands: list[int]) -> None:
        pairs = {index: self._range(index) for index in operands}
        masks = [index for index, pair in pairs.items() if pair is not None and pair[0] <= MASK]
        scores = [pair for pair in pairs.values() if pair is not None and pair[0] > MASK]
        if len(masks) != 1 or len(scores) != 1:
            return
        [mask], [(low, high)] = masks, scores
        above = self._range(mask)
        assert above is not None
        most = above[1] if kind == "ADD" else 0.0
        for index in path:
            own = self._range(index)
            if own is not None:
                self.ended[self._names[index]] = (min(low + most - MARGIN, 0.0), own[1])
        if kind == "ADD":
            self._end_mask(mask, most - (high - low) - MARGIN, most)

    def _end_mask(self, mask: int, low: float, high: float) -> None:
        """One mask may serve many layers: the lowest of their ends holds."""
        while True:
            before = self.ended.get(self._names[mask], (0.0, high))
            self.ended[self._names[mask]] = min(low, before[0]), high
            maker = self._maker(mask)
            floats = [] if maker is None else self._floats(maker)
            if maker is not None and self._kind(maker) == "MUL":
                self._end_factor(floats, low)
            if maker is None or len(floats) != 1 or scheme(self._kind(maker), "int8") != "same":
                return
            mask = floats[0]

    def _end_factor(self, factors: list[int], low: float) -> None:
        """(1 − mask) · −1e9: the kernel multiplies 32-bit integers, and would overflow."""
        constants = [index for index in factors if flatbuffer.is_constant(self._model, self._graph.tensors[index])]
        others = [pair for index in factors if index not in constants and (pair := self._range(index)) is not None]
        if len(constants) != 1 or len(others) != 1 or others[0][1] <= 0:
            return
        own, name = self._range(constants[0]), self._names[constants[0]]
        if own is not None and own[0] <= MASK and own[1] <= 0:
            self.ended[name] = min(low / others[0][1], self.ended.get(name, (0.0, 0.0))[0]), 0.0

    def _range(self, index: int) -> Pair | None:
        values = flatbuffer.tensor_data(self._model, self._graph.tensors[index])
        if values is not None and values.size:
            return float(values.min()), float(values.max())
        return self._ranges.get(self._names[index])

    def _maker(self, index: int) -> OperatorT | None:
        place = self._producers.get(index)
        maker = None if place is None else self._graph.operators[place]
        return None if maker is None or self._names[int(maker.outputs[0])] in self._kept else maker

    def _kind(self, operator: OperatorT) -> str:
        return flatbuffer.operator_name(self._model, operator)

    def _floats(self, operator: OperatorT) -> list[int]:
        tensors = self._graph.tensors
        return [int(i) for i in operator.inputs if i >= 0 and tensors[int(i)].type == TensorType.FLOAT32]
