"""Float inputs that hold integers, made int32 inputs.

A Keras 2 `Input` without a dtype is float32, and an Embedding casts it. Such an input holds token ids: quantized to 256
steps, most ids would be others. As int32 it is fed as it is.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT, TensorType

from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.flatbuffer import operator_name
from pipeline.tflite.prune import prune

_COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")


def integer_tokens(content: bytes) -> bytes:
    """The model with int32 for each float32 input that is only cast to integers and compared with whole numbers.

    The content itself where it has none.
    """
    model = flatbuffer.read(content)
    editor = Editor(model)
    graph, changed = editor.graph, False
    for index in map(int, graph.inputs):
        readers = [graph.operators[place] for place in flatbuffer.consumers(graph).get(index, [])]
        casts = [reader for reader in readers if _casts(editor, reader)]
        others = [reader for reader in readers if not _casts(editor, reader)]
        if graph.tensors[index].type != TensorType.FLOAT32 or not casts or index in map(int, graph.outputs):
            continue
        if not all(_compares(editor, reader, index) for reader in others):
            continue
        graph.tensors[index].type = TensorType.INT32
        for reader in others:
            reader.inputs = [one if one == index else _whole(editor, int(one)) for one in map(int, reader.inputs)]
        for reader in casts:
            _bypass(editor, reader, index)
        changed = True
    if not changed:
        return content
    prune(model)
    return flatbuffer.serialize(model)


def _casts(editor: Editor, operator: OperatorT) -> bool:
    integers = (TensorType.INT32, TensorType.INT64)
    return operator_name(editor.model, operator) == "CAST" and _type(editor, operator.outputs[0]) in integers


def _compares(editor: Editor, operator: OperatorT, index: int) -> bool:
    """Whether it compares the input with a constant of whole numbers."""
    if operator_name(editor.model, operator) not in _COMPARISONS:
        return False
    others = [flatbuffer.tensor_data(editor.model, editor.graph.tensors[int(i)]) for i in operator.inputs if i != index]
    return all(values is not None and np.array_equal(values, np.rint(values)) for values in others)


def _whole(editor: Editor, index: int) -> int:
    tensor = editor.graph.tensors[index]
    values = flatbuffer.tensor_data(editor.model, tensor)
    assert values is not None
    return editor.constant(f"{flatbuffer.tensor_name(tensor)}/int32", values.astype(np.int32))


def _bypass(editor: Editor, cast: OperatorT, index: int) -> None:
    """Let the readers of a CAST to int32 read the input; one to int64 stays."""
    graph, target = editor.graph, int(cast.outputs[0])
    if _type(editor, target) != TensorType.INT32 or target in map(int, graph.outputs):
        _set_in_type(cast, TensorType.INT32)
        return
    for reader in graph.operators:
        reader.inputs = [index if one == target else one for one in map(int, reader.inputs)]
    graph.operators = [operator for operator in graph.operators if operator is not cast]


def _set_in_type(cast: OperatorT, kind: int) -> None:
    if cast.builtinOptions is not None:
        cast.builtinOptions.inDataType = kind


def _type(editor: Editor, index: int) -> int:
    return int(editor.graph.tensors[int(index)].type)
