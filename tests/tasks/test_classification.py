"""Top-1 and top-5 of softmaxes, logits and single units, and labels that they cannot have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.classification import Classification
from pipeline.tasks.task import Task
from tests.tasks.tensors_of import model, tensor


def of(classes: int, **options: Any) -> Classification:
    return Classification(output=tensor("y", classes), target="label", **options)


def judged(task: Task, scores: Any, labels: Any) -> dict[str, float]:
    return task.reduce(task.statistics({"y": np.array(scores, np.float32)}, {"label": np.array(labels)}))


def test_top1_and_top5_by_hand() -> None:
    scores = [[6, 5, 4, 3, 2, 1, 0]] * 4
    found = judged(of(7), scores, [0, 1, 4, 5])
    assert found == {"top1": 1 / 4, "top5": 3 / 4}


def test_at_most_five_classes_have_no_top5() -> None:
    found = judged(of(5), [[0, 0, 0, 0, 1]], [4])
    assert found["top1"] == 1
    assert np.isnan(found["top5"])
    # Equal scores rank in class order: class 5, then 0, 1, 2, 3.
    assert judged(of(6), [[0, 0, 0, 0, 0, 1]] * 2, [3, 4])["top5"] == 1 / 2


@pytest.mark.parametrize(
    ("scores", "values", "top1"),
    [("sigmoid", [[0.4], [0.6], [0.6], [0.5]], 3 / 4), ("logits", [[-3], [0.4], [0.4], [0]], 3 / 4)],
)
def test_one_unit(scores: Any, values: list[list[float]], top1: float) -> None:
    assert judged(of(1, scores=scores), values, [0, 1, 0, 0])["top1"] == top1


def test_hits_are_of_the_metric_that_decides() -> None:
    statistics = of(6).statistics({"y": np.array([[5, 4, 3, 2, 1, 0]] * 2, float)}, {"label": np.array([0, 1])})
    np.testing.assert_array_equal(of(6).hits(statistics), [True, False])
    assert [metric.name for metric in of(6, metric="top5").metrics] == ["top5", "top1"]
    np.testing.assert_array_equal(of(6, metric="top5").hits(statistics), [True, True])


def test_agreement_is_the_same_class() -> None:
    task = of(2)
    one, two = {"y": np.array([[2.0, 1], [2, 1]])}, {"other": np.array([[9.0, 1], [1, 2]])}
    np.testing.assert_array_equal(task.agreement(one, two), [1, 0])


def test_a_sigmoid_units_task_before_it_decides_at_zero() -> None:
    task = of(1, scores="sigmoid")
    values = {"y": np.array([[0.3]])}
    assert task.reduce(task.statistics(values, {"label": np.array([0])}))["top1"] == 1
    cut = task.before_activation()
    assert cut.reduce(cut.statistics(values, {"label": np.array([1])}))["top1"] == 1


@pytest.mark.parametrize("labels", [[0, 2], [[0], [2]], [[1, 0, 0], [0, 0, 1]], np.array([0, 2], np.uint8)])
def test_labels_are_numbers_or_one_hot(labels: Any) -> None:
    assert judged(of(3), np.eye(3)[[0, 2]], labels)["top1"] == 1


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 3], "knows the classes 0 to 2; the labels hold 0 to 3"),
        ([0, -1], "the labels hold -1 to 0"),
        ([0.0, 1.0], "float64"),
        ([0], "holds 2 examples and 1 of the labels"),
        ([[1, 1, 0], [0, 0, 1]], "not one-hot over the 3 classes"),
        ([[1, 0], [0, 1]], "not one-hot over the 3 classes"),
    ],
)
def test_labels_that_the_model_cannot_have(labels: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        judged(of(3), np.eye(3)[[0, 2]], labels)


def test_nan_is_the_models_fault() -> None:
    with pytest.raises(PipelineError, match="'y' holds NaN for 1 of 2 examples") as caught:
        judged(of(2), [[np.nan, 0], [1, 0]], [0, 0])
    assert caught.value.exit_status == 1


def test_infinite_scores_are_scores() -> None:
    assert judged(of(2), [[-np.inf, 0]], [1])["top1"] == 1


@pytest.mark.parametrize(
    ("units", "scores", "loss", "wanted"),
    [
        ((3,), "softmax", "categorical_crossentropy", [[0, 1, 0]]),
        ((3,), "logits", "categorical_crossentropy", [[0, 1, 0]]),
        ((3,), "sigmoid", "binary_crossentropy", [[0, 1, 0]]),
        ((1,), "sigmoid", "binary_crossentropy", [[1]]),
        ((1,), "logits", "binary_crossentropy", [[1]]),
        ((1, 1, 3), "softmax", "categorical_crossentropy", [[[[0, 1, 0]]]]),
    ],
)
def test_what_training_minimizes(units: tuple[int, ...], scores: Any, loss: str, wanted: Any) -> None:
    task = Classification(output=tensor("y", *units), target="label", scores=scores)
    assert task.losses == {"y": loss}
    found = task.training_targets({"label": np.array([1])})["y"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(wanted))


@pytest.mark.parametrize(("loss", "losses"), [("as_compiled", {"y": "as_compiled"}), ("distillation", {})])
def test_another_loss(loss: Any, losses: dict[str, str]) -> None:
    assert of(3, loss=loss).losses == losses


def test_a_loss_that_is_none_of_its_own() -> None:
    with pytest.raises(InputError, match="knows no loss 'ctc'"):
        of(3, loss="ctc")


@pytest.mark.parametrize(
    ("output", "target", "said"),
    [
        (tensor("y", 4, 5), tensor("label", dtype="int64"), r"'y' is \[\?, 4, 5\]"),
        (tensor("y", 3), tensor("label", dtype="float32"), r"the target 'label' is float32 \[\?\]"),
        (tensor("y", 3), tensor("label", 4, dtype="int64"), r"one-hot rows \[batch, 3\]"),
    ],
)
def test_it_does_not_fit(output: Any, target: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Classification(output=output, target="label").check(model(output), {"label": target})


def test_targets_are_missing_or_called_otherwise() -> None:
    labels = tensor("lable", dtype="int64")
    with pytest.raises(InputError, match="the data has none"):
        of(3).check(model(tensor("y", 3)), {})
    with pytest.raises(InputError, match="Did you mean 'lable'"):
        of(3).check(model(tensor("y", 3)), {"lable": labels, "weight": labels})
    of(3).check(model(tensor("y", 3)), {"whatever": labels})


def test_the_task_as_json() -> None:
    assert of(3, scores="softmax").describe() == {
        "name": "classification",
        "output": "y",
        "target": "label",
        "scores": "softmax",
    }
