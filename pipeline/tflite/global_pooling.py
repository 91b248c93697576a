"""Average pooling over the whole image, turned into the mean that it is.

TFLite's int8 AVERAGE_POOL_2D must keep its input's scale. Averages over a whole image are several times smaller than
the values, so most of the 256 steps would never be used; MEAN has a scale of its own.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, BuiltinOperator, ModelT, OperatorT

from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune


def mean_for_global_pooling(content: bytes) -> bytes:
    """The model with MEAN in place of average pooling over all positions; the content itself if it has none."""
    model = flatbuffer.read(content)
    editor = Editor(model)
    places = [place for place, operator in enumerate(editor.graph.operators) if _is_global(model, operator)]
    if not places:
        return content
    axes = editor.constant("global_pooling/axes", np.array([1, 2], np.int32))
    for place in places:
        [source], [result] = editor.graph.operators[place].inputs, editor.graph.operators[place].outputs
        del editor.graph.operators[place]
        options = ("ReducerOptions", {"keepDims": True})
        editor.operator(BuiltinOperator.MEAN, [source, axes], [result], options, place=place)
    prune(model)
    return flatbuffer.serialize(model)


def _is_global(model: ModelT, operator: OperatorT) -> bool:
    if flatbuffer.operator_name(model, operator) != "AVERAGE_POOL_2D":
        return False
    tensors, options = model.subgraphs[0].tensors, operator.builtinOptions
    source, result = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    window = (options.filterHeight, options.filterWidth)
    signature = source.shapeSignature
    open_sides = signature is not None and any(int(side) < 0 for side in signature[1:3])
    return (
        not open_sides
        and flatbuffer.tensor_shape(source)[1:3] == window
        and flatbuffer.tensor_shape(result)[1:3] == (1, 1)
        and options.fusedActivationFunction == ActivationFunctionType.NONE
    )
