"""Operators that only move values, between operators that leave int8."""

from __future__ import annotations

from collections.abc import Iterable

from ai_edge_litert.schema_py_generated import SubGraphT, TensorType

from pipeline.tflite import flatbuffer


def pass_through_operators(graph: SubGraphT, kept: Iterable[int], movable: Iterable[int]) -> frozenset[int]:
    """The operators without arithmetic that stand, alone or several in a row, between kept ones only.

    Left in int8, each would bring a QUANTIZE and a DEQUANTIZE, and the rounding that was to be avoided.

    Args:
        graph: The float model's.
        kept: Places of the operators that leave int8.
        movable: Places of the operators that may follow them.
    """
    producers, consumers = flatbuffer.producers(graph), flatbuffer.consumers(graph)
    left, carried = set(kept), set(movable)
    carried -= left
    ends = {int(tensor) for tensor in (*graph.inputs, *graph.outputs)}

    def stays(place: int) -> bool:
        operator = graph.operators[place]
        read = [
            int(tensor) for tensor in operator.inputs if tensor >= 0 and _is_activation(graph, int(tensor), producers)
        ]
        written = [int(tensor) for tensor in operator.outputs]
        around = [producers[tensor] for tensor in read if tensor in producers]
        around += [consumer for tensor in written for consumer in consumers.get(tensor, [])]
        return not around or not ends.isdisjoint((*read, *written)) or not left | carried >= set(around)

    while leaving := {place for place in carried if stays(place)}:
        carried -= leaving
    return frozenset(carried)


def _is_activation(graph: SubGraphT, tensor: int, producers: dict[int, int]) -> bool:
    known = tensor in producers or tensor in set(map(int, graph.inputs))
    return known and graph.tensors[tensor].type == TensorType.FLOAT32
