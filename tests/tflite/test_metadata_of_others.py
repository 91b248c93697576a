"""Metadata that anything may stand in: a reader says what is wrong in a sentence, or returns what it can vouch for."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import BufferT, MetadataT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.bundle import read_contract
from pipeline.errors import InputError
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata_fields import METADATA, PREPROCESSING, PROVENANCE, TASK
from tests import tiny_models

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20),
    st.sampled_from(["-1..1", "0..1", "raw", "mean_std", "tokens", "image", "audio", "table", "classification", ""]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def sections(*known: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(known) | st.text(max_size=8), VALUES, max_size=6)


WELL_NAMED = st.fixed_dictionaries(
    {"name": st.just("a") | VALUES, "labels": st.just([]) | st.just([str(one) for one in range(10)]) | VALUES},
    optional={
        "preprocessing": sections(*PREPROCESSING) | st.fixed_dictionaries({"inputs": sections("x")}),
        "provenance": sections(*PROVENANCE),
        "task": sections(*TASK, "output", "options"),
        "description": VALUES,
        "version": VALUES,
    },
) | sections(*METADATA)
LIMITED = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


@functools.cache
def model() -> bytes:
    return tiny_models.digits()


def with_buffers(*buffers: tuple[str, bytes]) -> bytes:
    tree = flatbuffer.read(model())
    for name, content in buffers:
        tree.metadata = [*(tree.metadata or []), MetadataT(name=name, buffer=len(tree.buffers))]
        tree.buffers.append(BufferT(data=np.frombuffer(content, np.uint8)))
    return flatbuffer.serialize(tree)


def reads(content: bytes) -> None:
    try:
        found = metadata.read(content)
    except InputError:
        return
    if found is None:
        return
    assert isinstance(found.name, str)
    assert all(isinstance(label, str) for label in found.labels)
    metadata.without(content)
    with contextlib.suppress(InputError):
        read_contract.read(inspect(content), content)


@LIMITED
@given(WELL_NAMED)
def test_any_json_under_the_right_names(fields: dict[str, Any]) -> None:
    reads(with_buffers((metadata.OUR_BUFFER, json.dumps(fields).encode())))


@LIMITED
@given(st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_as_metadata(content: bytes) -> None:
    reads(with_buffers((metadata.OUR_BUFFER, content)))
    reads(with_buffers((metadata.STANDARD_BUFFER, content)))


@LIMITED
@given(st.data())
def test_standard_metadata_that_was_damaged(data: st.DataObject) -> None:
    described = metadata.Metadata("a", labels=tuple("0123456789"), preprocessing={"mean": [0.0], "std": [255.0]})
    whole = metadata.write(model(), described)
    tree = flatbuffer.read(whole)
    entry = next(one for one in tree.metadata if flatbuffer.text(one.name) == metadata.STANDARD_BUFFER)
    standard = bytearray(bytes(tree.buffers[entry.buffer].data))
    for _ in range(data.draw(st.integers(1, 4))):
        standard[data.draw(st.integers(0, len(standard) - 1))] = data.draw(st.integers(0, 255))
    packed = bytearray(whole[whole.rindex(b"PK\x03\x04") :])
    for _ in range(data.draw(st.integers(0, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    reads(with_buffers((metadata.STANDARD_BUFFER, bytes(standard))) + bytes(packed))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_labels_may_be_packed_by_any_method_that_python_knows(method: int) -> None:
    whole = metadata.write(model(), metadata.Metadata("a", labels=tuple("0123456789")))
    tree = flatbuffer.read(whole)
    tree.metadata = [one for one in tree.metadata if flatbuffer.text(one.name) == metadata.STANDARD_BUFFER]
    packed = io.BytesIO(flatbuffer.serialize(tree))
    with zipfile.ZipFile(packed, "a", method) as archive:
        archive.writestr(metadata.LABELS_FILE, "\n".join("0123456789"))
    found = metadata.read(packed.getvalue())
    assert found is not None
    assert found.labels == tuple("0123456789")
