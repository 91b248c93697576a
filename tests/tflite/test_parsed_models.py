"""A model that is read again is the same, and nobody's changes reach another reader."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tflite import flatbuffer, parsed_models
from pipeline.tflite.parsed_models import ParsedModels
from tests.tiny_models import linear

CONTENT = linear(np.eye(3))


def test_what_one_reader_changes_the_next_does_not_see() -> None:
    first = flatbuffer.read(CONTENT)
    graph = first.subgraphs[0]
    graph.operators.clear()
    graph.tensors[0].name = b"other"
    graph.tensors[0].quantization = None
    first.buffers[1].data = None
    again = flatbuffer.read(CONTENT)
    assert flatbuffer.serialize(again) == flatbuffer.serialize(flatbuffer.read(bytearray(CONTENT)))
    assert len(again.subgraphs[0].operators) == 1
    assert again.subgraphs[0].tensors[0].name != b"other"


def test_it_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = linear(np.full((2, 3), 7.0))
    flatbuffer.read(content)
    monkeypatch.setattr(flatbuffer.ModelT, "InitFromObj", lambda *_: pytest.fail("parsed again"))
    assert len(flatbuffer.read(content).subgraphs) == 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [linear(np.full((2, 3), float(value))) for value in range(4)]
    kept = ParsedModels()
    monkeypatch.setattr(parsed_models, "MOST_MODELS", 2)
    for content in contents[:3]:
        kept.keep(content, flatbuffer.read(content))
    assert [kept.get(content) is not None for content in contents[:3]] == [False, True, True]
    monkeypatch.setattr(parsed_models, "MOST_BYTES", len(contents[3]) - 1)
    kept.keep(contents[3], flatbuffer.read(contents[3]))
    assert kept.get(contents[3]) is None
