"""Another numbering of the classes is found where the answers prove it, and nothing is found by chance."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.diagnosis.checks.label_fit import FEWEST, label_fit

RANDOM = np.random.default_rng(0)
NAMES = ("zebra", "ant", "Cat", "dog", "bee")
COUNT = len(NAMES)


def labels(count: int = 200) -> np.ndarray:
    return RANDOM.integers(0, COUNT, count)


def mostly(right: np.ndarray, classes: int = COUNT) -> np.ndarray:
    """Answers of which one in ten is another."""
    return np.where(RANDOM.random(len(right)) < 0.1, RANDOM.integers(0, classes, len(right)), right)


def test_a_model_of_the_data_is_left_in_peace() -> None:
    y = labels()
    assert label_fit(mostly(y), y, COUNT, NAMES) == []
    assert label_fit(RANDOM.integers(0, COUNT, 200), y, COUNT, NAMES) == []
    assert label_fit(np.zeros(200, np.int64), y, COUNT, NAMES) == []


def test_a_background_class_at_the_start() -> None:
    y = labels()
    count, shift = label_fit(mostly(y + 1, COUNT + 1), y, COUNT + 1, NAMES)
    assert "5" in count.message
    assert "background" in count.message
    assert (shift.severity, shift.evidence["shift"]) == ("error", 1)
    assert "background" in shift.message


def test_labels_that_count_from_1() -> None:
    y = labels() + 1
    (found,) = label_fit(mostly(y - 1), y, COUNT, ())
    assert found.evidence["shift"] == -1
    assert "counts from 1" in found.message


def test_the_order_of_the_names() -> None:
    y = labels()
    order = np.array([sorted(NAMES).index(name) for name in NAMES])
    (found,) = label_fit(mostly(order[y]), y, COUNT, NAMES)
    assert "sorted by name" in found.message
    assert "zebra is its 4" in found.message
    assert "data.labels=FILE" in found.remedy


def test_numbers_that_were_sorted_as_text() -> None:
    names = tuple(sorted(map(str, range(12))))  # 0, 1, 10, 11, 2, …
    y = RANDOM.integers(0, 12, 300)
    order = np.array([int(name) for name in names])
    (found,) = label_fit(mostly(order[y], 12), y, 12, names)
    assert "sorted by number" in found.message


def test_any_other_order() -> None:
    y = labels()
    order = np.array([2, 0, 3, 1, 4])
    (found,) = label_fit(mostly(order[y]), y, COUNT, NAMES)
    assert "another order" in found.message
    assert "ant is its 0" in found.message
    assert found.evidence["accuracy_renumbered"] > 0.8


def test_an_order_is_not_made_of_chance_however_many_classes() -> None:
    y, answered = RANDOM.integers(0, 50, 200), RANDOM.integers(0, 50, 200)
    assert label_fit(answered, y, 50, ()) == []


def test_a_few_examples_prove_nothing() -> None:
    y = labels(FEWEST - 1)
    assert label_fit(y + 1, y, COUNT + 1, ()) == []


@pytest.mark.parametrize("classes", [COUNT - 1, COUNT + 3])
def test_another_number_of_classes_is_told(classes: int) -> None:
    y = labels() % 4
    (found,) = label_fit(mostly(y, 4), y, classes, NAMES)
    assert (found.severity, found.evidence) == ("warning", {"classes": classes, "named": COUNT})
