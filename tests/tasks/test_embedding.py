from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tasks import embedding
from pipeline.tasks.embedding import Embedding
from tests.tasks.tensors_of import model, tensor

TASK = Embedding(output=tensor("v", 2), target="who")


def at(*degrees: float) -> np.ndarray:
    """Vectors of the plane, of several lengths."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, len(degrees) + 1)[:, None]


def finalized(vectors: Any, classes: Any, task: Embedding = TASK) -> np.ndarray:
    return task.finalize(task.statistics({"v": np.array(vectors)}, {"who": np.array(classes)}))


def test_the_nearest_other_example_is_of_the_same_class() -> None:
    statistics = finalized(at(0, 10, 25, 90, 95, 30), [0, 0, 0, 1, 1, 1])  # the last lies among the others
    np.testing.assert_array_equal(TASK.hits(statistics), [True, True, False, True, True, False])
    assert TASK.reduce(statistics)["recall1"] == 4 / 6


def test_verification_by_hand() -> None:
    # Same: 0–20, 90–60. Other: 0–90, 0–60, 20–90, 20–60. Apart by 20 and 30, and by 90, 60, 70, 40: all told apart.
    assert TASK.reduce(finalized(at(0, 20, 90, 60), [0, 0, 1, 1]))["verification"] == 1
    # Same: 50 apart (twice). Other: 0–40 and 50–90 40 apart, 0–90 90, 50–40 10: at any threshold half of one is wrong.
    found = TASK.reduce(finalized(at(0, 50, 40, 90), [0, 0, 1, 1]))
    assert found["verification"] < 0.5


def test_one_class_has_no_verification_and_one_alone_is_missed() -> None:
    found = TASK.reduce(finalized(at(0, 10), [0, 0]))
    assert found["recall1"] == 1
    assert np.isnan(found["verification"])
    assert TASK.reduce(finalized(at(0), [0]))["recall1"] == 0
    assert TASK.reduce(finalized(at(0, 10, 20), [0, 0, 1]))["recall1"] == 2 / 3


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    vectors, classes = generator.normal(size=(23, 2)), generator.integers(0, 4, 23)
    whole = finalized(vectors, classes)
    monkeypatch.setattr(embedding, "_CHUNK", 5)
    np.testing.assert_array_equal(finalized(vectors, classes), whole)
    cosines = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
    np.fill_diagonal(cosines, -2)
    np.testing.assert_array_equal(whole[:, 0] > 0, classes[cosines.argmax(axis=1)] == classes)


def test_a_sample_of_examples_is_not_its_own_neighbour() -> None:
    """A bootstrap's sample holds examples twice; what is near was decided before."""
    statistics = finalized(at(0, 10, 90, 80), [0, 1, 0, 1])
    assert TASK.reduce(statistics[[0, 0, 1, 1]])["recall1"] == 0
    with pytest.raises(PipelineError, match="finalize"):
        TASK.reduce(TASK.statistics({"v": at(0, 10)}, {"who": np.array([0, 1])}))


def test_agreement_is_the_cosine() -> None:
    one, two = {"v": at(0, 0, 0)}, {"v": at(0, 60, 180)}
    np.testing.assert_allclose(TASK.agreement(one, two), [1, 0.5, 0], atol=1e-12)
    nothing, broken = {"v": np.zeros((1, 2))}, {"v": np.array([[np.nan, 1]])}
    assert TASK.agreement(nothing, nothing) == 1
    assert TASK.agreement(nothing, {"v": at(0)}) == 0
    assert TASK.agreement(broken, {"v": at(0)}) == 0


def test_check_and_bad_targets() -> None:
    TASK.check(model(tensor("v", 2)), {"who": tensor("who", dtype="int64")})
    with pytest.raises(InputError, match="one vector for each example"):
        TASK.check(model(tensor("v", 3, 2)), {"who": tensor("who", dtype="int64")})
    with pytest.raises(InputError, match="float32"):
        TASK.check(model(tensor("v", 2)), {"who": tensor("who")})
    with pytest.raises(InputError, match="a class number for each example"):
        TASK.statistics({"v": at(0)}, {"who": np.array([0.5])})
    with pytest.raises(PipelineError, match="NaN"):
        TASK.statistics({"v": np.array([[np.nan, 1]])}, {"who": np.array([0])})


def test_training() -> None:
    assert TASK.losses == {"v": "triplet"}
    assert TASK.training_targets({"who": np.array([3, 1])})["v"].tolist() == [3, 1]
