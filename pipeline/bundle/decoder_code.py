"""The Java and Kotlin of each decoder: which class reads the outputs, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bundle.literals import Literals, number, numbers
from pipeline.tasks.detection.anchors import Maps
from pipeline.tasks.detection.centernet_decoder import CenterNetDecoder
from pipeline.tasks.detection.decoder import Decoder
from pipeline.tasks.detection.fcos_decoder import FcosDecoder
from pipeline.tasks.detection.postprocess_decoder import PostprocessDecoder
from pipeline.tasks.detection.ssd_decoder import SsdDecoder
from pipeline.tasks.detection.yolo_decoders import YoloV5Decoder, YoloV8Decoder
from pipeline.tensors import TensorSpec

_ORDERS = {"yxhw": (0, 1, 2, 3), "yxyx": (0, 1, 2, 3), "xywh": (1, 0, 3, 2), "xyxy": (1, 0, 3, 2)}
_DIGITS = 60000
"""Characters of one string; a class file holds no more than 65535 bytes of it."""


@dataclass(frozen=True)
class Code:
    """A decoder's class, made from its numbers."""

    name: str
    reads: tuple[tuple[TensorSpec, ...], ...]
    """The outputs in the order in which its `decode` takes their numbers; empty for those that the model lacks."""
    arguments: Callable[[Literals], Sequence[object]]
    others: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.name, *self.others)

    def write(self, literals: Literals) -> str:
        return literals.new(self.name, *self.arguments(literals))


@dataclass(frozen=True, eq=False)
class Anchors:
    """As the model was trained with: by maps where a rule made them, else one by one."""

    values: NDArray[np.float32]
    """[A, 4]: centre y, centre x, height, width as shares of the input."""
    maps: Maps | None

    def write(self, literals: Literals) -> str:
        if self.maps is not None:
            made = [
                literals.new("Anchors.Level", *cells, literals.doubles(np.ravel(sizes))) for cells, sizes in self.maps
            ]
            return literals.call("Anchors.of", *made)
        digits = "".join(f"{bits:08x}" for bits in np.ravel(self.values).view(np.uint32).tolist())
        parts = [f'"{digits[start : start + _DIGITS]}"' for start in range(0, len(digits), _DIGITS)]
        return literals.call("Anchors.of", *parts)

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "count": len(self.values),
            "columns": ["centre y", "centre x", "height", "width"],
            "order": "level by level, row by row, cell by cell, and the boxes of a cell side by side",
        }
        if self.maps is not None:
            content["levels"] = [
                {"cells": list(cells), "sizes": [list(size) for size in sizes]} for cells, sizes in self.maps
            ]
        return content


def code_of(decoder: Decoder) -> Code | None:
    """None for a decoder of the user's own."""
    maker = _CODES.get(type(decoder))
    return None if maker is None else maker(decoder)


def anchors_of(decoder: Decoder) -> Anchors | None:
    """What its boxes are relative to; None where they are not."""
    if isinstance(decoder, SsdDecoder):
        return Anchors(decoder.anchor_boxes, decoder.anchor_maps)
    if isinstance(decoder, FcosDecoder):
        return Anchors(decoder.point_squares, decoder.point_maps)
    return None


def _ssd(decoder: SsdDecoder) -> Code:
    anchors = anchors_of(decoder)
    assert anchors is not None
    order = _ORDERS[decoder.order]
    skipped = 1 if decoder.background == "first" else 0
    return Code(
        "SsdDecoder",
        _of_roles(decoder, "boxes", "scores"),
        lambda literals: (
            anchors.write(literals),
            literals.integers(order),
            literals.floats([decoder.variances[place] for place in order]),
            decoder.sizes == "linear",
            *(decoder.box_values, decoder.score_columns, skipped, decoder.classes),
            _activation(decoder.activation),
        ),
        ("Anchors",),
    )


def _centernet(decoder: CenterNetDecoder) -> Code:
    height, width, classes = decoder.outputs["heatmap"][0].shape[1:]
    units = {"shares": (1, 1), "cells": (height, width), "pixels": decoder.input_size}[decoder.units]
    return Code(
        "CenterNetDecoder",
        _of_roles(decoder, "heatmap", "size", "offset"),
        lambda literals: (
            *(height, width, classes),
            *map(number, units),
            1 if decoder.order == "xy" else 0,
            _activation(decoder.activation),
        ),
    )


def _fcos(decoder: FcosDecoder) -> Code:
    anchors = anchors_of(decoder)
    assert anchors is not None
    height, width = decoder.input_size
    units = {"strides": (0, 0), "pixels": (1 / height, 1 / width), "shares": (1, 1)}[decoder.units]
    return Code(
        "FcosDecoder",
        _of_roles(decoder, "boxes", "scores", "centerness"),
        lambda literals: (
            anchors.write(literals),
            *map(number, units),
            1 if decoder.order == "ltrb" else 0,
            decoder.classes,
            _activation(decoder.activation),
        ),
        ("Anchors",),
    )


def _yolo(decoder: YoloV5Decoder | YoloV8Decoder) -> Code:
    if isinstance(decoder, YoloV5Decoder) and decoder.raw:
        return _grids(decoder)
    units = (1, 1) if decoder.units == "shares" else decoder.input_size
    return Code(
        "YoloDecoder",
        _of_roles(decoder, "output"),
        lambda literals: (
            literals.integers(decoder.widths),
            decoder.values_first,
            literals.integers(_ORDERS.get(decoder.box_format, _ORDERS["yxhw"])),
            decoder.box_format in ("xywh", "yxhw"),
            *map(number, units),
            isinstance(decoder, YoloV5Decoder),
            _activation(decoder.activation),
        ),
    )


def _grids(decoder: YoloV5Decoder) -> Code:
    levels: list[tuple[int, int, bool, NDArray[np.float64]]] = []
    for spec, anchors in zip(decoder.levels, decoder.anchors, strict=True):
        shape = spec.shape[1:]
        first = len(shape) == 4 and shape[0] == len(anchors)
        rows, columns = shape[1:3] if first else shape[:2]
        levels.append((rows, columns, first, np.ravel(anchors)))
    return Code(
        "YoloGridDecoder",
        (tuple(decoder.levels),),
        lambda literals: (
            decoder.classes + 5,
            *decoder.input_size,
            *(
                literals.new("YoloGridDecoder.Grid", rows, columns, first, numbers(sides))
                for rows, columns, first, sides in levels
            ),
        ),
    )


def _postprocess(decoder: PostprocessDecoder) -> Code:
    return Code(
        "PostprocessDecoder",
        _of_roles(decoder, "boxes", "classes", "scores", "count"),
        lambda literals: (literals.integers(_ORDERS[decoder.box_format]), decoder.first_class),
    )


def _of_roles(decoder: Decoder, *roles: str) -> tuple[tuple[TensorSpec, ...], ...]:
    return tuple(tuple(decoder.outputs.get(role, ())) for role in roles)


def _activation(name: str) -> str:
    return f"Activation.{name.upper()}"


_CODES: Mapping[type[Decoder], Callable[[Any], Code]] = {
    SsdDecoder: _ssd,
    CenterNetDecoder: _centernet,
    FcosDecoder: _fcos,
    YoloV5Decoder: _yolo,
    YoloV8Decoder: _yolo,
    PostprocessDecoder: _postprocess,
}
