"""SHAPE reads how large a tensor is, not what is in it: the int8 tensor will do, without a dequantized copy.

A transposed convolution with an open batch computes its output's shape at run time. ai-edge-quantizer has no rule for
SHAPE and gives it a float copy of the whole activation.
"""

from __future__ import annotations

from pipeline.tflite import flatbuffer
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune


def shapes_of_integers(content: bytes) -> bytes:
    """The model with SHAPE reading what was dequantized for it; the content itself if there is none."""
    model = flatbuffer.read(content)
    changed = False
    for graph in model.subgraphs:
        producers = flatbuffer.producers(graph)
        for operator in graph.operators:
            source = int(operator.inputs[0]) if len(operator.inputs) else -1
            if operator_name(model, operator) != "SHAPE" or source not in producers:
                continue
            maker = graph.operators[producers[source]]
            if operator_name(model, maker) == "DEQUANTIZE":
                operator.inputs = [maker.inputs[0]]
                changed = True
        if changed:
            read = set(flatbuffer.consumers(graph)) | {int(index) for index in graph.outputs}
            graph.operators = [
                operator
                for operator in graph.operators
                if operator_name(model, operator) != "DEQUANTIZE" or read & {int(index) for index in operator.outputs}
            ]
    if not changed:
        return content
    prune(model)
    return flatbuffer.serialize(model)
