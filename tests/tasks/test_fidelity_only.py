from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.fidelity_only import Fidelity, class_readings
from tests.tasks.tensors_of import model, tensor


def test_it_judges_by_nothing_alone() -> None:
    task = Fidelity()
    assert task.metrics == ()
    assert task.losses == {}
    assert task.statistics({"y": np.zeros((3, 2))}, {}).shape == (3, 0)
    assert task.reduce(np.zeros((3, 0))) == {}
    assert task.describe() == {"name": "fidelity"}


def test_classes_agree_by_name_and_numbers_by_distance() -> None:
    task = Fidelity({"p": "softmax"})
    one = {"p": np.array([[0.6, 0.4], [0.6, 0.4]]), "v": np.array([[3.0, 4], [3, 4]])}
    two = {"p": np.array([[0.9, 0.1], [0.4, 0.6]]), "v": np.array([[3.0, 3], [3, 4]])}
    np.testing.assert_allclose(task.agreement(one, two), [0.8, 0])  # of the output that agrees least


def test_before_the_activation_classes_are_still_classes() -> None:
    task = Fidelity({"p": "sigmoid"})
    one, two = {"p": np.array([[0.2]])}, {"p": np.array([[0.4]])}
    assert task.agreement(one, two) == 1
    assert task.before_activation().agreement({"p": np.array([[-0.2]])}, {"p": np.array([[0.4]])}) == 0


def test_what_holds_classes() -> None:
    signature = model(tensor("a", 3), tensor("b", 1), tensor("c", 3), tensor("d", 3), tensor("e", 5, 3))
    endings = {"a": "softmax", "b": "sigmoid", "c": "sigmoid", "d": "none", "e": "softmax"}
    assert class_readings(signature, endings) == {"a": "softmax", "b": "sigmoid"}  # type: ignore[arg-type]


def test_outputs_of_other_names() -> None:
    values = np.ones((1, 2))
    assert Fidelity().agreement({"a": values}, {"b": values}) == 1
    with pytest.raises(InputError, match="one has 'a', the other b, c"):
        Fidelity().agreement({"a": values}, {"b": values, "c": values})
