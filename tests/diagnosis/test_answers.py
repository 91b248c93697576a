"""How a classifier's answers hold against labels: ranks, ties, and what an answer tells."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.diagnosis.answers import answers, ask, label_ranks
from pipeline.tasks.class_scores import Scores
from pipeline.tasks.classification import Classification
from pipeline.tensors import Batch, TensorSpec
from pipeline.tflite.runner import Runner
from tests.tiny_models import joined, linear


def task(classes: int = 4, scores: Scores = "softmax", name: str = "y") -> Classification:
    return Classification(output=TensorSpec(name, (-1, classes), np.dtype(np.float32)), target="label", scores=scores)


@pytest.mark.parametrize(
    ("scores", "rank"),
    [
        ([0.7, 0.1, 0.1, 0.1], 0.0),  # first, alone
        ([0.1, 0.7, 0.2, 0.0], 2.0),  # two ahead
        ([0.4, 0.4, 0.1, 0.1], 0.5),  # one of two: half of the other one
        ([0.25, 0.25, 0.25, 0.25], 1.5),  # all the same: half of the three others
        ([0.1, 0.7, 0.1, 0.1], 2.0),  # one ahead and half of two
    ],
)
def test_classes_that_tie_with_the_label_count_half(scores: list[float], rank: float) -> None:
    assert label_ranks(np.array([scores]), np.array([0])) == [rank]


def test_an_answer_that_is_not_finite_is_wrong_and_ranks_last() -> None:
    scores = np.array([[0.7, 0.1, 0.1, 0.1], [np.nan, 0.1, 0.1, 0.1]], np.float32)
    found = answers(scores, np.array([0, 0]), task())
    assert found.right.tolist() == [True, False]
    assert found.rank.tolist() == [0.0, 4.0]


def test_labels_of_another_model_are_never_right() -> None:
    found = answers(np.eye(4, dtype=np.float32), np.array([0, 1, 2, 9]), task())
    assert not found.right.any()
    assert found.rank.tolist() == [2.0] * 4


def test_without_labels_only_the_information_counts() -> None:
    found = answers(np.eye(4, dtype=np.float32), None, task())
    assert found.accuracy == 0.0
    assert found.information == pytest.approx(1.0)


def test_the_same_answer_to_everything_tells_nothing() -> None:
    assert answers(np.tile([[1.0, 0.0, 0.0, 0.0]], (8, 1)), None, task()).information == pytest.approx(0.0)


def test_a_probability_of_one_unit_is_read_by_the_model_s_ending_not_by_its_value() -> None:
    unit = np.array([[0.3], [0.7]], np.float32)
    assert answers(unit, np.array([0, 1]), task(1, "sigmoid")).right.tolist() == [True, True]
    assert answers(unit, np.array([1, 1]), task(1, "logits")).right.tolist() == [True, True]  # both above 0


def test_logits_are_made_probabilities_and_int8_shares_that_round_to_nothing_are_even() -> None:
    logits = answers(np.array([[9.0, 0.0], [0.0, 9.0]]), None, task(2, "logits"))
    assert logits.information == pytest.approx(1.0, abs=0.01)
    assert answers(np.zeros((4, 2)), None, task(2)).information == pytest.approx(0.0)


def test_only_the_changed_input_of_several_is_changed() -> None:
    batch = Batch({"left": np.ones((2, 3)), "right": np.ones((2, 2))}, {"label": np.array([3, 1])})
    runner = Runner(joined())
    found = ask(runner, task(name="scores"), [batch], "right", {"as it is": lambda x: x, "negated": lambda x: -x})
    for name, sign in (("as it is", 1), ("negated", -1)):
        wanted = runner({"left": batch.inputs["left"], "right": sign * batch.inputs["right"]}).real["scores"]
        assert found[name].predicted.tolist() == wanted.argmax(axis=1).tolist()


def test_one_output_counts_whatever_the_task_calls_it() -> None:
    batch = Batch({"x": np.eye(4)}, {"label": np.arange(4)})
    found = ask(Runner(linear(np.eye(4))), task(name="other", scores="logits"), [batch], "x", {"now": lambda x: x})
    assert found["now"].accuracy == 1.0
