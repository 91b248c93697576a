"""The standard TFLite model metadata: the flatbuffer 'M001' of tflite-support's metadata_schema.fbs.

No Python package with its generated classes is maintained, so the few fields used here are written by hand.
The numbers below are the schema's field ids and enum values, and never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers.number_types import Float32Flags, Int8Flags
from flatbuffers.table import Table

from pipeline.tflite.flatbuffer import CORRUPT, BoundedBytes

IDENTIFIER = b"M001"
RGB, GRAYSCALE = 1, 2

# ModelMetadata
_MODEL_FIELDS = 8
_MODEL_NAME, _MODEL_DESCRIPTION, _MODEL_VERSION, _MODEL_SUBGRAPHS, _MODEL_MIN_PARSER = 0, 1, 2, 3, 7
# SubGraphMetadata
_SUBGRAPH_FIELDS = 4
_SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS = 2, 3
# TensorMetadata
_TENSOR_FIELDS = 7
_TENSOR_NAME, _TENSOR_CONTENT, _TENSOR_PROCESS_UNITS, _TENSOR_STATS, _TENSOR_FILES = 0, 3, 4, 5, 6
# AssociatedFile
_FILE_FIELDS = 3
_FILE_NAME, _FILE_TYPE = 0, 2
_AXIS_LABELS, _VALUE_LABELS = 2, 3
# Content, and its union ContentProperties
_CONTENT_FIELDS = 2
_CONTENT_TYPE, _CONTENT_PROPERTIES = 0, 1
_FEATURE, _IMAGE = 1, 2
# ImageProperties
_IMAGE_FIELDS = 1
_IMAGE_COLOR_SPACE = 0
# ProcessUnit, and its union ProcessUnitOptions
_UNIT_FIELDS = 2
_UNIT_TYPE, _UNIT_OPTIONS = 0, 1
_NORMALIZATION = 1
# NormalizationOptions
_NORMALIZATION_FIELDS = 2
_NORMALIZATION_MEAN, _NORMALIZATION_STD = 0, 1
# Stats
_STATS_FIELDS = 2
_STATS_MAX, _STATS_MIN = 0, 1

_MIN_PARSER_VERSION = "1.0.0"  # every field used here has been there from the first schema on


@dataclass(frozen=True)
class TensorMetadata:
    """What the standard says about one input or output."""

    name: str
    color_space: int | None = None
    """RGB or GRAYSCALE for an image, None for anything else."""
    mean: tuple[float, ...] = ()
    """normalized = (pixel − mean) / std, per channel or one for all; empty where nothing is normalized."""
    std: tuple[float, ...] = ()
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    labels_file: str | None = None
    """The name of the packed file with one label a line."""


@dataclass(frozen=True)
class ModelMetadata:
    name: str
    description: str
    version: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


def encode(metadata: ModelMetadata) -> bytes:
    """The flatbuffer; the same metadata gives the same bytes."""
    builder = flatbuffers.Builder(1024)
    subgraph = _table(
        builder,
        _SUBGRAPH_FIELDS,
        {
            _SUBGRAPH_INPUTS: _tables(builder, [_encode_tensor(builder, t) for t in metadata.inputs]),
            _SUBGRAPH_OUTPUTS: _tables(builder, [_encode_tensor(builder, t) for t in metadata.outputs]),
        },
    )
    model = _table(
        builder,
        _MODEL_FIELDS,
        {
            _MODEL_NAME: builder.CreateString(metadata.name),
            _MODEL_DESCRIPTION: builder.CreateString(metadata.description),
            _MODEL_VERSION: builder.CreateString(metadata.version),
            _MODEL_SUBGRAPHS: _tables(builder, [subgraph]),
            _MODEL_MIN_PARSER: builder.CreateString(_MIN_PARSER_VERSION),
        },
    )
    builder.Finish(model, file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def decode(data: bytes) -> ModelMetadata:
    """The metadata in a flatbuffer made by any tool; fields this module does not know are passed over.

    Raises:
        ValueError: not this flatbuffer, or a corrupt one.
    """
    if data[4:8] != IDENTIFIER:
        raise ValueError(f"bytes 4 to 8 are {data[4:8]!r}, not {IDENTIFIER!r}")
    try:
        root = _Reader(BoundedBytes(data), int.from_bytes(data[:4], "little"))
        subgraphs = root.tables(_MODEL_SUBGRAPHS)
        main = subgraphs[0] if subgraphs else None
        return ModelMetadata(
            name=root.string(_MODEL_NAME),
            description=root.string(_MODEL_DESCRIPTION),
            version=root.string(_MODEL_VERSION),
            inputs=tuple(_decode_tensor(t) for t in main.tables(_SUBGRAPH_INPUTS)) if main else (),
            outputs=tuple(_decode_tensor(t) for t in main.tables(_SUBGRAPH_OUTPUTS)) if main else (),
        )
    except CORRUPT as error:
        raise ValueError(f"corrupt ({error})") from error


def _encode_tensor(builder: Any, tensor: TensorMetadata) -> int:
    offsets = {_TENSOR_NAME: builder.CreateString(tensor.name)}
    if tensor.color_space is None:
        content, properties = _FEATURE, _table(builder, 0, {})
    else:
        content = _IMAGE
        properties = _table(builder, _IMAGE_FIELDS, {}, {_IMAGE_COLOR_SPACE: tensor.color_space})
    offsets[_TENSOR_CONTENT] = _table(
        builder, _CONTENT_FIELDS, {_CONTENT_PROPERTIES: properties}, {_CONTENT_TYPE: content}
    )
    if tensor.mean:
        options = _table(
            builder,
            _NORMALIZATION_FIELDS,
            {
                _NORMALIZATION_MEAN: _floats(builder, tensor.mean),
                _NORMALIZATION_STD: _floats(builder, tensor.std),
            },
        )
        unit = _table(builder, _UNIT_FIELDS, {_UNIT_OPTIONS: options}, {_UNIT_TYPE: _NORMALIZATION})
        offsets[_TENSOR_PROCESS_UNITS] = _tables(builder, [unit])
    if tensor.minimum:
        limits = {
            _STATS_MAX: _floats(builder, tensor.maximum),
            _STATS_MIN: _floats(builder, tensor.minimum),
        }
        offsets[_TENSOR_STATS] = _table(builder, _STATS_FIELDS, limits)
    if tensor.labels_file:
        name = {_FILE_NAME: builder.CreateString(tensor.labels_file)}
        file = _table(builder, _FILE_FIELDS, name, {_FILE_TYPE: _AXIS_LABELS})
        offsets[_TENSOR_FILES] = _tables(builder, [file])
    return _table(builder, _TENSOR_FIELDS, offsets)


def _table(builder: Any, fields: int, offsets: dict[int, int], enums: dict[int, int] | None = None) -> int:
    builder.StartObject(fields)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, value in (enums or {}).items():
        builder.PrependInt8Slot(field, value, 0)
    return int(builder.EndObject())


def _tables(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, "<f4")))


class _Reader:
    """A table's fields by id; an absent field reads as empty."""

    def __init__(self, data: bytes, position: int) -> None:
        self._table = Table(data, position)

    def _offset(self, field: int) -> int:
        return int(self._table.Offset(4 + 2 * field))

    def string(self, field: int) -> str:
        offset = self._offset(field)
        return str(self._table.String(self._table.Pos + offset), "utf-8") if offset else ""

    def enum(self, field: int) -> int:
        offset = self._offset(field)
        return int(self._table.Get(Int8Flags, self._table.Pos + offset)) if offset else 0

    def floats(self, field: int) -> tuple[float, ...]:
        offset = self._offset(field)
        return tuple(self._table.GetVectorAsNumpy(Float32Flags, offset).tolist()) if offset else ()

    def table(self, field: int) -> _Reader | None:
        offset = self._offset(field)
        return _Reader(self._table.Bytes, self._table.Indirect(self._table.Pos + offset)) if offset else None

    def tables(self, field: int) -> list[_Reader]:
        offset = self._offset(field)
        if not offset:
            return []
        start = self._table.Vector(offset)
        positions = range(start, start + 4 * self._table.VectorLen(offset), 4)
        return [_Reader(self._table.Bytes, self._table.Indirect(position)) for position in positions]


def _decode_tensor(reader: _Reader) -> TensorMetadata:
    content, stats = reader.table(_TENSOR_CONTENT), reader.table(_TENSOR_STATS)
    image = content.table(_CONTENT_PROPERTIES) if content and content.enum(_CONTENT_TYPE) == _IMAGE else None
    units = [u for u in reader.tables(_TENSOR_PROCESS_UNITS) if u.enum(_UNIT_TYPE) == _NORMALIZATION]
    normalization = units[0].table(_UNIT_OPTIONS) if units else None
    labels = [
        file.string(_FILE_NAME)
        for file in reader.tables(_TENSOR_FILES)
        if file.enum(_FILE_TYPE) in (_AXIS_LABELS, _VALUE_LABELS)
    ]
    return TensorMetadata(
        name=reader.string(_TENSOR_NAME),
        color_space=image.enum(_IMAGE_COLOR_SPACE) or None if image else None,
        mean=normalization.floats(_NORMALIZATION_MEAN) if normalization else (),
        std=normalization.floats(_NORMALIZATION_STD) if normalization else (),
        minimum=stats.floats(_STATS_MIN) if stats else (),
        maximum=stats.floats(_STATS_MAX) if stats else (),
        labels_file=labels[0] if labels else None,
    )
