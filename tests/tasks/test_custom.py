"""A task of one's own: by class, by instance, by function; and everything that can be wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.custom import CustomMetric
from pipeline.tasks.registry import resolve
from pipeline.tasks.task import Task
from tests.tasks.tensors_of import model, tensor

MODULE = """
import numpy as np
from pipeline.tasks import Metric, Task

class Within(Task):
    name = "within"
    metrics = (Metric("within", "within", "%"),)

    def __init__(self, most=1.0):
        self.most = most

    def check(self, model, targets):
        pass

    def statistics(self, outputs, targets):
        return np.abs(outputs["y"] - targets["t"]).max(axis=1) <= self.most

    def reduce(self, statistics):
        return {"within": float(statistics.mean())}

    def agreement(self, reference, other):
        return np.ones(len(reference["y"]))

class Half(Task):
    name = "half"

class Other:
    pass

ready = Within(2.0)
number = 3

def off_by(outputs, targets):
    return np.abs(outputs["y"] - targets["t"]).mean(axis=1)

def raises(outputs, targets):
    return outputs["z"]

def mean(outputs, targets):
    return 0.5

def nan(outputs, targets):
    return [float("nan")] * len(outputs["y"])

def words(outputs, targets):
    return ["good"] * len(outputs["y"])

def most(outputs, targets):
    return outputs["y"].max(axis=1)
"""
OUTPUTS, TARGETS = {"y": np.array([[1.0, 2], [3, 4]])}, {"t": np.array([[1.0, 2], [3, 6]])}
Named = Callable[..., Task]


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Named:
    """The task that `task: own:NAME` makes."""
    module = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(MODULE)
    (tmp_path / "broken_task.py").write_text("import there_is_no_such_module")
    monkeypatch.chdir(tmp_path)

    def make(name: str, endings: Any = None, **options: Any) -> Task:
        reference = name if ":" in name else f"{module}:{name}"
        y, t = tensor("y", 2), tensor("t", 2)
        return resolve({"name": reference, **options}, model(y), endings or {}, {}, {"t": t}).task

    return make


def test_a_class_with_its_options(named: Named) -> None:
    strict, loose = named("Within"), named("Within", most=2.0)
    assert strict.reduce(strict.statistics(OUTPUTS, TARGETS)) == {"within": 0.5}
    assert loose.reduce(loose.statistics(OUTPUTS, TARGETS)) == {"within": 1.0}


def test_an_instance(named: Named) -> None:
    assert named("ready").reduce(named("ready").statistics(OUTPUTS, TARGETS)) == {"within": 1.0}


def test_the_mean_of_a_function(named: Named) -> None:
    task = named("off_by", higher_is_better=False, label="off by")
    statistics = task.statistics(OUTPUTS, TARGETS)
    assert task.reduce(statistics) == {"off_by": 0.5}
    assert task.metrics[0].label == "off by"
    assert not task.metrics[0].higher_is_better
    assert task.hits(statistics) is None
    assert task.losses == {}
    assert task.describe()["name"].endswith(":off_by")


def test_a_function_that_gives_hits_gets_their_intervals() -> None:
    task = CustomMetric("m:right", lambda outputs, targets: outputs["y"][:, 0] > 1)
    np.testing.assert_array_equal(task.hits(task.statistics(OUTPUTS, TARGETS)), [False, True])


def test_a_function_reads_the_whole_models_outputs(named: Named) -> None:
    task = named("most", {"y": "softmax"})
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5]])
    whole, cut = task.statistics({"y": probabilities}, {}), task.before_activation()
    np.testing.assert_allclose(cut.statistics({"y": np.log(probabilities) + 3}, {}), whole)
    unit = named("most", {"y": "sigmoid"}).before_activation()
    np.testing.assert_allclose(unit.statistics({"y": np.array([[0.0, -900]])}, {}), [0.5])


def test_models_agree_as_without_labels(named: Named) -> None:
    other = {"y": np.array([[2.0, 1], [1, 3]])}
    np.testing.assert_array_equal(named("most", {"y": "softmax"}).agreement(OUTPUTS, other), [0, 1])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("of_by", {}, "has no 'of_by'.*Did you mean 'off_by'"),
        ("no_such_module_anywhere:x", {}, "cannot be imported: ModuleNotFoundError"),
        ("broken_task:x", {}, "cannot be imported: ModuleNotFoundError: .*there_is_no_such_module"),
        (":x", {}, "is named module:Class or module:function, not ':x'"),
        ("Other", {}, "is no task: derive it from pipeline.tasks.Task"),
        ("Half", {}, "it lacks agreement, check, metrics, reduce, statistics"),
        ("Within", {"least": 1}, "least"),
        ("ready", {"most": 1}, "takes no options: most"),
        ("number", {}, "is int"),
        ("off_by", {"higher_is_beter": False}, "Did you mean 'higher_is_better'"),
        ("off_by", {"unit": "mm"}, "is '' or '%' or 'dB', not 'mm'"),
        ("off_by", {"label": 3}, "is a text, not 3"),
    ],
)
def test_what_is_no_task(named: Named, name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        named(name, **options)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("raises", InputError, "raised KeyError: 'z'. It was given the outputs 'y' [2, 2] and the targets 't' [2, 2]"),
        ("mean", InputError, "gave the shape [] for 2 examples; it is to give one number for each"),
        ("words", InputError, "gave list; it is to give one number"),
        ("nan", PipelineError, "gave NaN for 2 of 2 examples"),
    ],
)
def test_what_a_function_may_not_do(named: Named, name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        named(name).statistics(OUTPUTS, TARGETS)
