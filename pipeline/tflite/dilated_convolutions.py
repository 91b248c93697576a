"""Dilated convolutions that a file spells out, as the one operator that they are.

Converters leave Keras's dilated convolutions as SPACE_TO_BATCH_ND → CONV_2D → BATCH_TO_SPACE_ND, in one dimension with
a RESHAPE on both sides of the convolution, and what follows them unfused. XNNPACK takes neither end. What is converted
here never has them (`pipeline.conversion.dilated`, before batch-norms are folded).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, ModelT, OperatorT, Padding
from numpy.typing import NDArray

from pipeline.tensors import OPEN
from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_folding import open_shape, set_shape
from pipeline.tflite.edit import Editor
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_FUSABLE = {"RELU": ActivationFunctionType.RELU, "RELU6": ActivationFunctionType.RELU6}


@dataclass(frozen=True)
class _Triple:
    before: OperatorT
    """SPACE_TO_BATCH_ND."""
    expand: OperatorT | None
    """The RESHAPE before the convolution, of one dimension."""
    convolution: OperatorT
    squeeze: OperatorT | None
    after: OperatorT
    """BATCH_TO_SPACE_ND."""


def join_dilated(content: bytes) -> bytes:
    """The model with such triples as dilated convolutions; one whose padding no convolution has stays.

    Args:
        content: A float .tflite file's content.

    Returns:
        The content itself where there is none.
    """
    model = flatbuffer.read(content)
    joined = [_join(model, triple) for triple in _triples(model)]
    if not any(joined):
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _triples(model: ModelT) -> list[_Triple]:
    graph = model.subgraphs[0]
    producers, consumers = flatbuffer.producers(graph), flatbuffer.consumers(graph)

    def maker(operator: OperatorT | None, *kinds: str) -> OperatorT | None:
        """What makes an operator's first input, for it alone."""
        index = int(operator.inputs[0]) if operator is not None and len(operator.inputs) else -1
        if index not in producers or len(consumers[index]) > 1 or index in graph.outputs:
            return None
        found = graph.operators[producers[index]]
        return found if operator_name(model, found) in kinds else None

    found = []
    for after in graph.operators:
        if operator_name(model, after) != "BATCH_TO_SPACE_ND":
            continue
        squeeze = maker(after, "RESHAPE")
        convolution = maker(squeeze or after, *_CONVOLUTIONS)
        expand = maker(convolution, "RESHAPE") if squeeze is not None else None
        before = maker(expand or convolution, "SPACE_TO_BATCH_ND")
        if convolution is not None and before is not None and (squeeze is None) == (expand is None):
            found.append(_Triple(before, expand, convolution, squeeze, after))
    return found


def _join(model: ModelT, found: _Triple) -> bool:
    graph = model.subgraphs[0]
    constants = [
        flatbuffer.tensor_data(model, graph.tensors[index])
        for index in (*found.before.inputs[1:3], *found.after.inputs[1:3])
    ]
    options = found.convolution.builtinOptions
    sides = flatbuffer.tensor_shape(graph.tensors[found.convolution.inputs[1]])
    if any(constant is None for constant in constants) or len(sides) != 4:
        return False
    block, padding, same_block, crop = (np.asarray(constant) for constant in constants)
    kernel = np.array(sides[1:3])
    if not np.array_equal(block, same_block) or options.padding != Padding.VALID:
        return False
    if {options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor} != {1}:
        return False
    axis = None
    if found.expand is not None:
        axis = 0 if kernel[0] == 1 and kernel[1] > 1 else 1 if kernel[1] == 1 and kernel[0] > 1 else None
        if axis is None or len(block) != 1:
            return False
        # The same in two dimensions, the added one of which is neither dilated nor padded.
        block = np.insert(block, axis, 1)
        padding, crop = (np.insert(pairs, axis, 0, axis=0) for pairs in (padding, crop))
    if len(block) != 2:
        return False
    how = _padding(block, padding, crop, kernel)
    if how is None or not _rewire(model, found, axis):
        return False
    options.padding, options.dilationHFactor, options.dilationWFactor = how, int(block[0]), int(block[1])
    _fuse(model, found)
    graph.operators = [operator for operator in graph.operators if operator not in (found.before, found.after)]
    return True


def _padding(
    block: NDArray[np.int32], padding: NDArray[np.int32], crop: NDArray[np.int32], kernel: NDArray[np.int64]
) -> int | None:
    """A convolution's padding that does the same; None where there is none."""
    # What is added so that blocks come out whole is cropped again.
    added = np.stack([padding[:, 0], padding[:, 1] - crop[:, 1]], axis=1)
    total = (kernel - 1) * block
    if crop[:, 0].any():
        return None
    if not added.any():
        return int(Padding.VALID)
    return int(Padding.SAME) if np.array_equal(added, np.stack([total // 2, total - total // 2], axis=1)) else None


def _rewire(model: ModelT, found: _Triple, axis: int | None) -> bool:
    """Let the convolution read and write what the triple did; False where its shapes are not known."""
    graph, editor = model.subgraphs[0], Editor(model)
    source, result = int(found.before.inputs[0]), int(found.after.outputs[0])
    if found.expand is None or found.squeeze is None or axis is None:
        found.convolution.inputs[0], found.convolution.outputs = source, [result]
        return True
    shapes = [list(open_shape(graph.tensors[index])) for index in (source, result)]
    if any(len(shape) != 3 or OPEN in shape[1:] for shape in shapes):
        return False
    inner = [int(found.expand.outputs[0]), int(found.convolution.outputs[0])]
    for index, shape in zip(inner, shapes, strict=True):
        set_shape(graph.tensors[index], [*shape[: axis + 1], 1, *shape[axis + 1 :]])
    expanded, squeezed = shapes[0][:], shapes[1][:]
    expanded.insert(axis + 1, 1)
    for operator, index, shape in ((found.expand, source, expanded), (found.squeeze, inner[1], squeezed)):
        shape[0] = OPEN
        new = editor.constant(f"reshape_{len(graph.tensors)}", np.array(shape, np.int32))
        operator.inputs = [index, new]
        operator.builtinOptionsType, operator.builtinOptions = 0, None  # the shape is the input's
    found.squeeze.outputs = [result]
    return True


def _fuse(model: ModelT, found: _Triple) -> None:
    """Take the activation behind the triple into the convolution, which could not hold it before."""
    graph = model.subgraphs[0]
    last = found.squeeze or found.convolution
    result = int(last.outputs[0])
    readers = flatbuffer.consumers(graph).get(result, [])
    if len(readers) != 1 or result in graph.outputs:
        return
    activation = graph.operators[readers[0]]
    fused = _FUSABLE.get(operator_name(model, activation))
    if fused is None or found.convolution.builtinOptions.fusedActivationFunction != ActivationFunctionType.NONE:
        return
    found.convolution.builtinOptions.fusedActivationFunction = fused
    last.outputs = [int(activation.outputs[0])]
    graph.operators = [operator for operator in graph.operators if operator is not activation]
