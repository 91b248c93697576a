"""Tensors that no writer writes are damage, said in a paragraph; what tools leave behind is put right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ModelT

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from tests import tiny_models


def changed(change: Callable[[ModelT], None]) -> bytes:
    model = flatbuffer.read(tiny_models.joined("int8"))
    change(model)
    return flatbuffer.serialize(model)


def first(model: ModelT):  # type: ignore[no-untyped-def]
    return model.subgraphs[0].tensors[0]


def zero_points(model: ModelT) -> None:
    first(model).quantization.scale = np.array([1.0, 2.0], np.float32)
    first(model).quantization.zeroPoint = np.array([0, 0, 0], np.int64)


def axis(model: ModelT) -> None:
    first(model).quantization.scale = np.ones(3, np.float32)
    first(model).quantization.quantizedDimension = 7


def name(model: ModelT) -> None:
    first(model).name = b"\xff\xfe"


def signature_key(model: ModelT) -> None:
    model.signatureDefs[0].signatureKey = b"\xc3\x28"


def negative(model: ModelT) -> None:
    first(model).shape = [1, -3]


def huge(model: ModelT) -> None:
    first(model).shape = [2**20, 2**20]


def no_values(model: ModelT) -> None:
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]]
    tensor.shape, tensor.shapeSignature = [1, 0], None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (zero_points, "3 zero points for 2 scales"),
        (axis, "axis 7"),
        (name, "not UTF-8"),
        (signature_key, "not UTF-8"),
        (negative, r"shape \[1, -3\]"),
        (huge, "shape"),
        (no_values, "an output that holds no values"),
    ],
)
def test_damage_is_named(change: Callable[[ModelT], None], said: str) -> None:
    with pytest.raises(InputError, match=said):
        flatbuffer.read(changed(change))


def test_a_stale_signature_tells_only_which_sides_are_open() -> None:
    def stale(model: ModelT) -> None:
        first(model).shapeSignature = [-1, 99]

    assert list(first(flatbuffer.read(changed(stale))).shapeSignature) == [-1, 3]


def test_a_whole_model_is_as_it_was() -> None:
    content = tiny_models.joined("int8")
    assert flatbuffer.serialize(flatbuffer.read(content)) == flatbuffer.serialize(
        flatbuffer.read(changed(lambda _: None))
    )
