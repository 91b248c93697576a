from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.classification import Classification
from pipeline.tasks.embedding import Embedding
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tasks.regression import Regression
from pipeline.tasks.several_outputs import SeveralOutputs
from pipeline.tensors import Batch
from tests.tasks.tensors_of import model, tensor

KIND = Classification(output=tensor("kind", 2), target="kind", scores="softmax")
SIZE = Regression(output=tensor("size", 1), target="size")
TASK = SeveralOutputs({"kind": KIND, "size": SIZE, "map": Fidelity()}, {"size": 0.1})
OUTPUTS = {
    "kind": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]),
    "size": np.array([[1.0], [2], [6]]),
    "map": np.ones((3, 4)),
}
TARGETS = {"kind": np.array([0, 1, 1]), "size": np.array([1.0, 3, 5])}


def test_metrics_are_named_by_output_and_the_first_decides() -> None:
    assert [metric.name for metric in TASK.metrics] == [
        "kind.top1", "kind.top5", "size.r2", "size.rmse", "size.mae",
    ]  # fmt: skip
    assert TASK.metrics[0].label == "kind top-1"


def test_each_output_is_judged_by_its_own_task() -> None:
    statistics = TASK.statistics(OUTPUTS, TARGETS)
    found = TASK.reduce(statistics)
    assert found["kind.top1"] == 2 / 3
    assert found["size.r2"] == 1 - 2 / 8
    np.testing.assert_array_equal(TASK.hits(statistics), [True, True, False])
    sizes = SeveralOutputs({"size": SIZE, "kind": KIND})
    assert sizes.hits(statistics) is None
    assert sizes.resampling(statistics)(np.array([1, 1, 1])) == 1 - 2 / 8


def test_statistics_are_joined_and_sampled_like_any_other() -> None:
    parts = [
        TASK.statistics({n: a[part] for n, a in OUTPUTS.items()}, {n: a[part] for n, a in TARGETS.items()})
        for part in (slice(0, 1), slice(1, 3))
    ]
    whole = TASK.statistics(OUTPUTS, TARGETS)
    assert TASK.reduce(np.concatenate(parts)) == pytest.approx(TASK.reduce(whole), nan_ok=True)
    assert TASK.reduce(whole[[2, 2, 1]])["kind.top1"] == 1 / 3


def test_what_needs_all_examples_gets_them() -> None:
    task = SeveralOutputs({"v": Embedding(output=tensor("v", 2), target="who"), "size": SIZE})
    outputs = {"v": np.array([[1.0, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]]), "size": np.array([[1.0], [2], [3], [4]])}
    targets = {"who": np.array([0, 0, 1, 1]), "size": np.array([1.0, 2, 3, 4])}
    found = task.reduce(task.finalize(task.statistics(outputs, targets)))
    assert (found["v.recall1"], found["size.r2"]) == (1, 1)


def test_an_example_agrees_as_far_as_its_worst_output() -> None:
    other = OUTPUTS | {"kind": OUTPUTS["kind"][:, ::-1], "size": np.array([[1.0], [2], [6]])}
    np.testing.assert_array_equal(TASK.agreement(OUTPUTS, other), 0)
    nearer = OUTPUTS | {"size": np.array([[0.9], [2], [3]])}
    np.testing.assert_allclose(TASK.agreement(OUTPUTS, nearer), [0.9, 1, 0.5])


def test_training() -> None:
    assert TASK.losses == {"kind": "categorical_crossentropy", "size": "mse"}
    assert TASK.loss_weights == {"size": 0.1}
    found = TASK.training_targets(TASK.targets_of(Batch({"x": np.zeros((3, 1))}, TARGETS)))
    assert {name: array.shape for name, array in found.items()} == {"kind": (3, 2), "size": (3, 1)}


def test_before_the_activation_and_json() -> None:
    cut = TASK.before_activation().tasks["kind"]
    assert isinstance(cut, Classification)
    assert cut.scores == "logits"
    described = TASK.describe()
    assert described["name"] == "several_outputs"
    assert described["outputs"]["size"] == {"name": "regression", "output": "size", "target": "size", "weight": 0.1}


def test_check_looks_at_each_output() -> None:
    outputs = (tensor("kind", 2), tensor("size", 1), tensor("map", 4))
    targets = {"kind": tensor("kind", dtype="int64"), "size": tensor("size")}
    TASK.check(model(*outputs), targets)
    with pytest.raises(InputError, match=r"the target 'size' is \[\?, 3\]"):
        TASK.check(model(*outputs), targets | {"size": tensor("size", 3)})
    with pytest.raises(InputError, match="no output 'map'"):
        TASK.check(model(*outputs[:2]), targets)
