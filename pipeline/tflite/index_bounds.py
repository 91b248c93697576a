"""How large an integer input may be, where it says which row of a table is meant: token ids."""

from __future__ import annotations

from pathlib import Path

from ai_edge_litert.schema_py_generated import ModelT, OperatorT

from pipeline.tflite import flatbuffer

UNKNOWN = 2
"""Where nothing says what an integer stands for: 0 and 1 are in the bounds of every table but one of a single row."""
_SAME_VALUES = ("RESHAPE", "EXPAND_DIMS", "SQUEEZE", "CAST", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "UNPACK", "SPLIT")


def index_bounds(source: Path | bytes) -> list[int]:
    """For each input of the main graph the number below which its values must lie as far as they are indices.

    Read off the tables that they index (GATHER, EMBEDDING_LOOKUP) or the depth of a ONE_HOT, the smallest of several;
    `UNKNOWN` where there is none.

    Raises:
        InputError: as `flatbuffer.read`.
    """
    model = flatbuffer.read(source)
    return [_bound(model, int(index)) for index in model.subgraphs[0].inputs]


def _bound(model: ModelT, tensor: int) -> int:
    graph = model.subgraphs[0]
    reached, bounds = {tensor}, []
    for operator in graph.operators:
        read = [place for place, index in enumerate(operator.inputs) if int(index) in reached]
        if not read:
            continue
        name = flatbuffer.operator_name(model, operator)
        if name in _SAME_VALUES:
            reached.update(int(index) for index in operator.outputs)
        rows = _rows(model, operator, name, read)
        if rows is not None:
            bounds.append(rows)
    return max(1, min(bounds)) if bounds else UNKNOWN


def _rows(model: ModelT, operator: OperatorT, name: str, read: list[int]) -> int | None:
    """Of the table that an operator looks up what it reads in; None where it looks up nothing."""
    tensors = model.subgraphs[0].tensors
    if name == "GATHER" and 1 in read:
        axis = int(operator.builtinOptions.axis) if operator.builtinOptions is not None else 0
        return flatbuffer.tensor_shape(tensors[int(operator.inputs[0])])[axis]
    if name == "EMBEDDING_LOOKUP" and 0 in read:
        return flatbuffer.tensor_shape(tensors[int(operator.inputs[1])])[0]
    if name == "ONE_HOT" and 0 in read:
        depth = flatbuffer.tensor_data(model, tensors[int(operator.inputs[1])])
        return None if depth is None else int(depth)
    return None
