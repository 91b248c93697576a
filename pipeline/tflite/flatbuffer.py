"""A .tflite file as an object tree (`ModelT`) and back, and the questions everyone asks of that tree.

The tree is `ai_edge_litert`'s object API: `model.subgraphs[0].tensors[i]`, `.operators[j].inputs` and so on. It is the
same for the files of every converter that TFLite reads. Models over 2 GB are out of scope.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert.schema_py_generated import (
    BufferT,
    BuiltinOperator,
    Model,
    ModelT,
    OperatorCodeT,
    OperatorT,
    SubGraphT,
    TensorT,
    TensorType,
)
from numpy.typing import NDArray

from pipeline import foreign_files
from pipeline.errors import InputError
from pipeline.files import check_ordinary
from pipeline.tflite import tensor_checks
from pipeline.tflite.parsed_models import ParsedModels

_IDENTIFIER = b"TFL3"
_TOO_LARGE = 2**31
_SCHEMA = 3
_NOT_OUTSIDE = 1  # offsets of 0 and 1 point to nothing behind the flatbuffer
_BUFFER_ALIGNMENT = 16  # the schema's force_align for constants; kernels may rely on it

_OPERATOR_NAMES: dict[int, str] = {code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}
_TYPE_NAMES: dict[int, str] = {code: name.lower() for name, code in vars(TensorType).items() if isinstance(code, int)}

CORRUPT = (
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What `flatbuffers` raises, at one place or another, when offsets and lengths point to nowhere."""


class BoundedBytes(bytes):
    """Bytes whose slices never come back short: `flatbuffers` would read a cut string as a shorter one."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.stop is not None and key.stop > len(self):
            raise IndexError(f"bytes {key.start} to {key.stop} of {len(self)}")
        return super().__getitem__(key)


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Aligns byte vectors as the TFLite schema demands; `flatbuffers` in Python knows no force_align."""

    def StartVector(self, elem_size: int, count: int, alignment: int) -> int:  # noqa: N802
        aligned = max(alignment, _BUFFER_ALIGNMENT) if elem_size == 1 else alignment
        return int(super().StartVector(elem_size, count, aligned))


@dataclass(frozen=True, eq=False)
class Quantization:
    """real = scale × (stored − zero_point), one scale for the tensor or one per index along `axis`."""

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int | None
    """The axis the scales run along; None with one scale for the whole tensor."""


def load(source: Path | bytes) -> bytes:
    """The bytes of a .tflite file, or of one already in memory, checked to be one at all.

    Raises:
        InputError: no such file, a folder, unreadable, over 2 GB, empty, or not a TFLite flatbuffer.
    """
    if isinstance(source, Path):
        check_ordinary(source)
        if source.is_dir():
            kind = foreign_files.recognize(source)
            raise InputError(
                f"{source} is {kind}"
                if kind
                else f"{source} is a folder, not a .tflite file. Give the file in it; export a SavedModel first."
            )
        try:
            size = source.stat().st_size
            data = source.read_bytes() if size < _TOO_LARGE else b""
        except FileNotFoundError:
            raise InputError(f"There is no file {source}. Check the path.") from None
        except OSError as error:
            raise InputError(f"Cannot read {source}: {error.strerror}.") from error
    else:
        data, size = bytes(source), len(source)
    if size >= _TOO_LARGE:
        raise InputError(f"{label(source)} is over 2 GB; .tflite files of that size are not supported.")
    if not data:
        raise InputError(f"{label(source)} is empty, not a .tflite file. Make it again.")
    if data[4:8] != _IDENTIFIER:
        raise InputError(_not_tflite(source, data))
    return data


def is_tflite(path: Path) -> bool:
    """Whether a file is a .tflite, whole or damaged: by its content, or else by its name."""
    if path.suffix == ".tflite":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8)[4:] == _IDENTIFIER


def check_header(path: Path) -> None:
    """See that a file starts as a .tflite does, without reading it whole.

    Raises:
        InputError: it starts otherwise; what it is is named.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] != _IDENTIFIER:
        raise InputError(_not_tflite(path, head))


def _not_tflite(source: Path | bytes, data: bytes) -> str:
    kind = foreign_files.recognize(source) if isinstance(source, Path) else None
    if kind is not None:
        return f"{label(source)} is {kind}"
    return (
        f"{label(source)} is not a TFLite model: bytes 4 to 8 are {data[4:8]!r}, not {_IDENTIFIER!r}. "
        "Give a .tflite file; a .keras, .h5 or SavedModel must be exported first."
    )


def read(source: Path | bytes) -> ModelT:
    """The model in a .tflite file, or in its bytes; what is packed after it (labels) is not looked at.

    Every index in the tree (operator codes, tensors, buffers) is in range, lists are lists where the file leaves them
    out, constants outside the flatbuffer are in it, an operator's number is in `builtinCode`, and buffers are read-only
    views: replace `buffer.data`, do not write into it.

    Raises:
        InputError: what `load` raises, a truncated or corrupt flatbuffer, and a schema that TFLite does not read.
    """
    data = load(source)
    known = _parsed.get(data)
    if known is not None:
        return known
    try:
        model = ModelT.InitFromObj(Model.GetRootAs(BoundedBytes(data), 0))
        _complete(model, BoundedBytes(data))
        _check_indices(model)
        tensor_checks.check(model)
    except CORRUPT as error:
        raise InputError(
            f"{label(source)} is truncated or corrupt: its {len(data)} bytes do not hold a whole model "
            f"({error}). Copy or make it again."
        ) from error
    if model.version != _SCHEMA:
        raise InputError(
            f"{label(source)} is of version {model.version} of the TFLite schema, and TFLite reads version {_SCHEMA} "
            "alone. Convert its source again."
        )
    _parsed.keep(data, model)
    return model


_parsed = ParsedModels()


def is_outdated(data: bytes) -> bool:
    """Whether a file keeps something where only TFLite itself and :func:`read` look for it.

    Operator codes in their first field alone (converters before TensorFlow 2.4), constants or options behind the
    flatbuffer, and values in buffer 0, which count for none.

    Args:
        data: Of a model that `read` reads.
    """
    model = Model.GetRootAs(data, 0)
    codes = (model.OperatorCodes(place) for place in range(model.OperatorCodesLength()))
    buffers = (model.Buffers(place) for place in range(model.BuffersLength()))
    graphs = (model.Subgraphs(place) for place in range(model.SubgraphsLength()))
    operators = (graph.Operators(place) for graph in graphs for place in range(graph.OperatorsLength()))
    return (
        any(code.BuiltinCode() < code.DeprecatedBuiltinCode() for code in codes)
        or any(buffer.Offset() > _NOT_OUTSIDE for buffer in buffers)
        or (model.BuffersLength() == 0 or model.Buffers(0).DataLength() > 0)
        or any(operator.LargeCustomOptionsOffset() > _NOT_OUTSIDE for operator in operators)
    )


def serialize(model: ModelT) -> bytes:
    """The flatbuffer of a model, with constants aligned to 16 bytes. The same model gives the same bytes."""
    builder = _AlignedBuilder(1024)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def label(source: Path | bytes) -> str:
    """How an error names where a model came from."""
    return str(source) if isinstance(source, Path) else "The model given as bytes"


def text(value: bytes | str | None) -> str:
    """A flatbuffer string as text; an absent one is empty."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def builtin_code(code: OperatorCodeT) -> int:
    """The operator's number: old files hold it in a byte-sized field, codes over 127 in the newer one."""
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def operator_name(model: ModelT, operator: OperatorT) -> str:
    """The builtin's name as in the schema ('CONV_2D'), or the custom operator's own name."""
    code = model.operatorCodes[operator.opcodeIndex]
    number = builtin_code(code)
    if number == BuiltinOperator.CUSTOM:
        return text(code.customCode) or "CUSTOM"
    return _OPERATOR_NAMES.get(number, f"BUILTIN_{number}")


def operator_version(model: ModelT, operator: OperatorT) -> int:
    return int(model.operatorCodes[operator.opcodeIndex].version)


def tensor_name(tensor: TensorT) -> str:
    return text(tensor.name)


def tensor_type(tensor: TensorT) -> str:
    """The element type in lower case: 'int8', 'float32', 'string' and so on."""
    return _TYPE_NAMES[tensor.type]


def tensor_shape(tensor: TensorT) -> tuple[int, ...]:
    """The allocated shape, in which a dynamic dimension is 1; a scalar's is ()."""
    return tuple(int(size) for size in tensor.shape) if tensor.shape is not None else ()


def is_constant(model: ModelT, tensor: TensorT) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def tensor_data(model: ModelT, tensor: TensorT) -> NDArray[Any] | None:
    """A constant's stored values, of `tensor_shape` and the stored type (read-only); None if not a constant.

    Raises:
        InputError: the type has no array (packed int4, strings), or the buffer's size is not the shape's.
    """
    if not is_constant(model, tensor):
        return None
    name, stored = tensor_type(tensor), model.buffers[tensor.buffer].data
    try:
        return np.frombuffer(stored, np.dtype(name).newbyteorder("<")).reshape(tensor_shape(tensor))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The constant '{tensor_name(tensor)}' ({name}, shape {tensor_shape(tensor)}) cannot be read "
            f"from its {len(stored)} bytes: {error}. Packed, sparse and string constants are not supported."
        ) from error


def quantization(tensor: TensorT) -> Quantization | None:
    """The tensor's scales and zero points, or None where it has none (float, index and shape tensors).

    Raises:
        InputError: as many zero points as no model has: neither one for each scale, nor one, nor none.
    """
    stored = tensor.quantization
    if stored is None or stored.scale is None or len(stored.scale) == 0:
        return None
    scales = np.asarray(stored.scale, np.float32)
    points = stored.zeroPoint if stored.zeroPoint is not None and len(stored.zeroPoint) else [0]
    if len(points) not in (1, len(scales)):
        raise InputError(
            f"The tensor '{tensor_name(tensor)}' has {len(scales)} scales and {len(points)} zero points: the file is "
            "damaged. Make or copy it again."
        )
    zero_points = np.broadcast_to(np.asarray(points, np.int64), scales.shape)
    return Quantization(scales, zero_points, int(stored.quantizedDimension) if len(scales) > 1 else None)


def producers(subgraph: SubGraphT) -> dict[int, int]:
    """Tensor index → index of the operator that writes it; constants and inputs are absent."""
    return {tensor: i for i, operator in enumerate(subgraph.operators) for tensor in operator.outputs}


def consumers(subgraph: SubGraphT) -> dict[int, list[int]]:
    """Tensor index → indices of the operators that read it, in order; unread tensors are absent."""
    readers: dict[int, list[int]] = {}
    for i, operator in enumerate(subgraph.operators):
        for tensor in dict.fromkeys(operator.inputs):
            if tensor >= 0:
                readers.setdefault(tensor, []).append(i)
    return readers


def _complete(model: ModelT, data: BoundedBytes) -> None:
    """Bring what a converter may leave out or keep elsewhere into its place, as TFLite understands it."""
    model.operatorCodes, model.buffers = model.operatorCodes or [], model.buffers or [BufferT()]
    for code in model.operatorCodes:
        code.builtinCode = builtin_code(code)
        code.deprecatedBuiltinCode = min(code.builtinCode, BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    model.buffers[0] = BufferT()  # to TFLite buffer 0 is none, whatever it holds
    for buffer in model.buffers:
        if buffer.data is None and buffer.offset > _NOT_OUTSIDE:
            buffer.data = _outside(data, buffer.offset, buffer.size)
        buffer.offset = buffer.size = 0
    _share_the_empty_buffer(model)
    for subgraph in model.subgraphs or []:
        subgraph.tensors, subgraph.operators = subgraph.tensors or [], subgraph.operators or []
        for operator in subgraph.operators:
            if operator.customOptions is None and operator.largeCustomOptionsOffset > _NOT_OUTSIDE:
                size = operator.largeCustomOptionsSize
                operator.customOptions = _outside(data, operator.largeCustomOptionsOffset, size)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0
        for part in (subgraph, *subgraph.tensors, *subgraph.operators):
            _as_lists(part)


def _share_the_empty_buffer(model: ModelT) -> None:
    """Converters may give every activation an empty buffer of its own; buffer 0 is the one for all."""
    kept = [0, *(place for place, buffer in enumerate(model.buffers) if buffer.data is not None and len(buffer.data))]
    new = dict.fromkeys(range(len(model.buffers)), 0) | {old: place for place, old in enumerate(kept)}
    model.buffers = [model.buffers[place] for place in kept]
    tensors = [tensor for subgraph in model.subgraphs or [] for tensor in subgraph.tensors or []]
    for owner in (*tensors, *(model.metadata or [])):
        owner.buffer = new[int(owner.buffer)]


def _outside(data: BoundedBytes, offset: int, size: int) -> NDArray[np.uint8]:
    return np.frombuffer(data[offset : offset + size], np.uint8)


def _as_lists(item: Any) -> None:
    """Index lists are read-only views of the file as they are read; lists can be edited."""
    for name, value in vars(item).items():
        if isinstance(value, np.ndarray) and value.dtype == np.int32:
            setattr(item, name, value.tolist())
        elif hasattr(value, "__dict__"):
            _as_lists(value)


def _check_indices(model: ModelT) -> None:
    """Raises IndexError where an index points to nothing; makes absent index lists empty ones."""
    if not model.subgraphs:
        raise IndexError("no subgraph")
    for subgraph in model.subgraphs:
        count = len(subgraph.tensors)
        for operator in subgraph.operators:
            _in_range("operator code", [operator.opcodeIndex], 0, len(model.operatorCodes))
            operator.inputs, operator.outputs = _list(operator.inputs), _list(operator.outputs)
            _in_range("operator input", operator.inputs, -1, count)  # -1: an optional input left out
            _in_range("operator output", operator.outputs, 0, count)
        subgraph.inputs, subgraph.outputs = _list(subgraph.inputs), _list(subgraph.outputs)
        _in_range("input", subgraph.inputs, 0, count)
        _in_range("output", subgraph.outputs, 0, count)
        for tensor in subgraph.tensors:
            if tensor.type not in _TYPE_NAMES:
                raise IndexError(f"tensor type {tensor.type}")
    for signature in model.signatureDefs or []:
        _in_range("signature", [signature.subgraphIndex], 0, len(model.subgraphs))
        tensors = [port.tensorIndex for port in (signature.inputs or []) + (signature.outputs or [])]
        _in_range("signature", tensors, 0, len(model.subgraphs[signature.subgraphIndex].tensors))


def _list(indices: Any) -> list[int]:
    return [] if indices is None else [int(i) for i in indices]


def _in_range(what: str, indices: list[int], low: int, high: int) -> None:
    for i in indices:
        if not low <= i < high:
            raise IndexError(f"{what} {i} of {high}")
