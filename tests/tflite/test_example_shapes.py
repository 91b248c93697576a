"""How large an example is where the model leaves it open: as recorded, else 1, which is said."""

from __future__ import annotations

import pytest

from pipeline.tflite.example_shapes import example_shapes
from pipeline.tflite.metadata import Metadata, write
from tests import tiny_models


@pytest.mark.parametrize("content", [tiny_models.joined(), tiny_models.of_tokens(), tiny_models.without_batch()])
def test_models_that_leave_only_their_batch_open_are_taken_as_they_are(content: bytes) -> None:
    assert example_shapes(content) is None


@pytest.mark.parametrize(
    ("described", "shape"),
    [
        ({"shape": [9, 7, 3]}, (1, 9, 7, 3)),
        ({"kind": "image", "size": [9, 7]}, (1, 9, 7, 3)),
        ({"shape": [9, 7, 3], "size": [4, 4]}, (1, 9, 7, 3)),
    ],
)
def test_open_sides_are_as_recorded(described: dict[str, object], shape: tuple[int, ...]) -> None:
    found = example_shapes(write(tiny_models.open_sized(), Metadata("m", preprocessing=described)))
    assert found is not None
    assert (found.shapes, found.note) == ((shape,), None)


def test_sides_that_nothing_tells_are_one_and_the_note_says_so() -> None:
    found = example_shapes(tiny_models.open_sized())
    assert found is not None
    assert found.shapes == ((1, 1, 1, 3),)
    assert found.note is not None
    assert "'x' [?, ?, ?, 3] were taken as 1" in found.note
