"""A Keras model as a rung, and the look from it into its .tflite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import Activations
from pipeline.verification.inside import Inside, look_inside
from pipeline.verification.keras_rung import KerasRung


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A Keras model, and the same as .tflite."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from tests.tiny_keras import model

    tf_keras.utils.set_random_seed(0)
    made = model()
    path = tmp_path_factory.mktemp("keras") / "float.h5"
    made.save(path)
    return path, to_flatbuffer(made)


def looked(rung: KerasRung, content: bytes, images: np.ndarray) -> Inside:
    lower = Activations(content, "xnnpack")
    return look_inside("float", "keras", rung.activations(lower.listed), lower, images[:4], sqnr_db=20, lsb=1)


def test_it_answers_any_number_of_examples(files: tuple[Path, bytes], images: np.ndarray) -> None:
    rung = KerasRung("keras", "the model", files[0])
    found = [rung.run(images[:count]) for count in (1, 5)]
    assert [outputs.scores.shape for outputs in found] == [(1, 10), (5, 10)]
    np.testing.assert_allclose(found[1].scores.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found[0].scores[0], found[1].scores[0], rtol=1e-4)


def test_the_conversion_changes_no_layer(files: tuple[Path, bytes], images: np.ndarray) -> None:
    found = looked(KerasRung("keras", "the model", files[0]), files[1], images)
    assert found.first is None
    kinds = [gap.operator for gap in found.tensors]
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "SOFTMAX"} <= set(kinds)
    assert min(gap.sqnr_db for gap in found.tensors) > 80


def test_the_layer_that_a_conversion_broke_is_named(files: tuple[Path, bytes], images: np.ndarray) -> None:
    model: Any = flatbuffer.read(files[1])
    graph = model.subgraphs[0]
    operator = next(op for op in graph.operators if flatbuffer.operator_name(model, op) == "DEPTHWISE_CONV_2D")
    weights = graph.tensors[operator.inputs[1]]
    stored = -np.array(flatbuffer.tensor_data(model, weights))
    model.buffers[weights.buffer].data = np.frombuffer(stored.tobytes(), np.uint8)
    found = looked(KerasRung("keras", "the model", files[0]), flatbuffer.serialize(model), images)
    assert found.first is not None
    assert found.first.operator == "DEPTHWISE_CONV_2D"
