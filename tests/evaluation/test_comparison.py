"""Two models' answers beside each other, whatever the task."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Record, first_metric, metric_difference, renamed, same_outputs
from pipeline.evaluation.statistics import paired_difference
from pipeline.tasks.classification import Classification
from pipeline.tasks.embedding import Embedding
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tasks.regression import Regression
from pipeline.tasks.task import Task
from pipeline.tensors import Outputs, TensorSpec

Y = TensorSpec("y", (-1, 2), np.dtype(np.float32))
CLASSES = Classification(output=Y, target="t")
NUMBERS = Regression(output=Y, target="t")


def outputs(values: Any, name: str = "y") -> Outputs:
    return Outputs.of_real({name: np.array(values, np.float32)})


def compared(task: Task, own: Any, others: Any, targets: Any = None) -> Any:
    """A record of `own` held against one of `others`, example by example."""
    mine, reference = Record("int8", task), Record("float", task)
    for place in range(len(own)):
        one, two = outputs(own[place : place + 1]), outputs(others[place : place + 1])
        known = {} if targets is None else {"t": np.array(targets[place : place + 1])}
        mine.add(one, known)
        reference.add(two, known)
        mine.hold_against("float", one, two)
    return mine.against(reference)


def test_a_classifier_loses_two_of_four_and_wins_one() -> None:
    own, others = [[1, 0], [1, 0], [1, 0], [0, 1]], [[0, 1], [0, 1], [0, 1], [0, 1]]
    found = compared(CLASSES, own, others, [1, 1, 0, 1])
    np.testing.assert_array_equal(found.agreed, [0, 0, 0, 1])
    assert (found.against, found.n, found.agreement) == ("float", 4, 0.25)
    assert found.difference == paired_difference(
        np.array([False, False, True, True]), np.array([True, True, False, True])
    )
    assert found.difference.value == -0.25


def test_numbers_get_a_bootstrap_of_the_first_metric() -> None:
    wanted = np.random.default_rng(0).normal(size=(40, 2))
    found = compared(NUMBERS, wanted + 0.5, wanted, wanted)
    assert found.difference.value == pytest.approx(
        NUMBERS.reduce(NUMBERS.statistics({"y": wanted + 0.5}, {"t": wanted}))["r2"] - 1
    )
    assert found.difference.high < 0


def test_without_labels_there_is_fidelity() -> None:
    found = compared(NUMBERS, [[9, 0]], [[10, 0]])
    assert found.difference is None
    assert found.sqnr_db == pytest.approx(20)
    assert found.agreement == pytest.approx(0.9)
    assert (found.identical, found.differing, found.max_lsb) == (False, 0.5, None)


def test_the_reference_is_the_other() -> None:
    """The noise is measured against the model held against, not against one's own values."""
    assert compared(Fidelity(), [[2, 0]], [[1, 0]]).sqnr_db == 0
    assert compared(Fidelity(), [[1, 0]], [[2, 0]]).sqnr_db == pytest.approx(20 * math.log10(2))


def test_json_holds_no_infinity() -> None:
    content = json.dumps(compared(CLASSES, [[1, 0]], [[1, 0]], [0]).to_json(), allow_nan=False)
    assert json.loads(content)["sqnr_db"] is None
    assert json.loads(content)["identical"] is True
    assert set(json.loads(content)) == {
        "against", "n", "agreement", "difference", "sqnr_db", "max_lsb", "differing", "identical", "outputs",
    }  # fmt: skip


def test_a_model_that_was_asked_fewer_examples() -> None:
    mine, reference = Record("phone", CLASSES), Record("float", CLASSES)
    answers, labels = outputs([[0, 1], [1, 0], [1, 0]]), {"t": np.array([1, 0, 1])}
    reference.add(answers, labels)
    mine.add(answers[:2], {"t": labels["t"][:2]})
    mine.hold_against("float", answers[:2], answers)
    found = mine.against(reference)
    assert (found.n, found.agreement) == (2, 1)
    assert found.difference == paired_difference(np.ones(2, bool), np.ones(2, bool))


def test_statistics_of_all_examples_are_finalized() -> None:
    task = Embedding(output=Y, target="t")
    record = Record("float", task)
    for vector, who in (([1, 0], 0), ([0, 1], 1), ([1, 0.1], 0), ([0.1, 1], 1)):
        record.add(outputs([vector]), {"t": np.array([who])})
    assert record.values["recall1"] == 1  # alone, each example would have no neighbour
    assert record.statistics is record.statistics  # every vector against every other: not twice
    record.add(outputs([[1, 0.05]]), {"t": np.array([1])})
    assert len(record.statistics) == record.n == 5
    assert record.values["recall1"] < 1


def test_errors_say_whose_answers() -> None:
    record = Record("int8", CLASSES)
    with pytest.raises(InputError, match=r"The model 'int8': .*the labels hold 7 to 7"):
        record.add(outputs([[1, 0]]), {"t": np.array([7])})
    with pytest.raises(PipelineError, match="The model 'int8': The output 'y' holds NaN") as caught:
        record.add(outputs([[math.nan, 0]]), {"t": np.array([0])})
    assert caught.value.exit_status == 1
    with pytest.raises(InputError, match="'int8' was not held against 'qat'"):
        record.against(Record("qat", CLASSES))


def test_outputs_of_other_names_are_taken_in_order() -> None:
    own = Outputs.of_real({"a": np.zeros((1, 2)), "b": np.zeros((1, 3))})
    others = Outputs.of_real({"x": np.ones((1, 2)), "y": np.ones((1, 3))})
    found = same_outputs(own, others, "int8", "float")
    assert {name: array.shape for name, array in found.real.items()} == {"a": (1, 2), "b": (1, 3)}
    assert list(renamed(own, ["b", "a"]).stored) == ["a", "b"]  # the same names stay
    assert list(renamed(own, ["x"]).stored) == ["a", "b"]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"a": np.zeros((1, 3))}, r"gives \[2\] as 'a' for an example and float \[3\]"),
        ({"a": np.zeros((1, 2)), "b": np.zeros((1, 2))}, r"gives 1 outputs \(a\) and float 2 \(a, b\)"),
    ],
)
def test_outputs_of_another_model(others: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        same_outputs(Outputs.of_real({"a": np.zeros((1, 2))}), Outputs.of_real(others), "int8", "float")


def test_the_metric_that_decides() -> None:
    assert first_metric(NUMBERS).name == "r2"
    assert first_metric(Regression(output=Y, target="t", metric="mae")).name == "mae"
    with pytest.raises(InputError, match="'fidelity' has no metric"):
        first_metric(Fidelity())
    task = Regression(output=Y, target="t", metric="mae")
    worse, better = (task.statistics({"y": np.full((5, 2), value)}, {"t": np.zeros((5, 2))}) for value in (3.0, 1.0))
    assert metric_difference(task, worse, better).value == 2
