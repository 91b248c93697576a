"""What TFLite takes for granted of a model's tensors, and a damaged file breaks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT, SubGraphT, TensorT

_MOST_VALUES = 2**31
"""Of a tensor: a flatbuffer, and the arena that it runs in, hold less."""


def check(model: ModelT) -> None:
    """
    Raises:
        ValueError: a name that is not UTF-8, a shape that no tensor has, an input or output without values, zero points
            that are not as many as the scales, or an axis of scales that the tensor does not have.
    """
    for name in _names(model):
        if isinstance(name, bytes):
            try:
                name.decode()
            except UnicodeDecodeError:
                raise ValueError(f"the name {name[:40]!r} is not UTF-8") from None
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _check_shape(tensor)
            _check_scales(tensor)
        _check_ends(graph)


def _names(model: ModelT) -> Iterator[bytes | str | None]:
    yield from (code.customCode for code in model.operatorCodes)
    yield from (entry.name for entry in model.metadata or [])
    for graph in model.subgraphs:
        yield graph.name
        yield from (tensor.name for tensor in graph.tensors)
    for signature in model.signatureDefs or []:
        yield signature.signatureKey
        yield from (port.name for port in (*(signature.inputs or []), *(signature.outputs or [])))


def _check_shape(tensor: TensorT) -> None:
    sides = [] if tensor.shape is None else [int(side) for side in tensor.shape]
    if any(side < 0 for side in sides) or int(np.prod(sides, dtype=object)) >= _MOST_VALUES:
        raise ValueError(f"a tensor of the shape {sides[:8]}")
    if tensor.shapeSignature is None:
        return
    signature = [int(side) for side in tensor.shapeSignature]
    if len(signature) != len(sides):
        tensor.shapeSignature = None
    elif any(open_ not in (-1, side) for open_, side in zip(signature, sides, strict=True)):
        # Tools that resize a model leave the old sides there; only which of them are open counts.
        tensor.shapeSignature = [-1 if open_ == -1 else side for open_, side in zip(signature, sides, strict=True)]


def _check_scales(tensor: TensorT) -> None:
    stored = tensor.quantization
    scales = 0 if stored is None or stored.scale is None else len(stored.scale)
    if not scales:
        return
    points = 0 if stored.zeroPoint is None else len(stored.zeroPoint)
    if points not in (0, 1, scales):
        raise ValueError(f"{points} zero points for {scales} scales")
    rank = 0 if tensor.shape is None else len(tensor.shape)
    if scales > 1 and not 0 <= int(stored.quantizedDimension) < rank:
        raise ValueError(f"scales along axis {stored.quantizedDimension} of a tensor with {rank}")


def _check_ends(graph: SubGraphT) -> None:
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        for index in ends:
            shape = graph.tensors[index].shape
            if shape is not None and 0 in [int(side) for side in shape]:
                raise ValueError(f"an {what} that holds no values")
