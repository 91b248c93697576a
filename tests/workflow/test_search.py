"""The search keeps the operator that int8 ruins, no other, and measures what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe as recipes
from pipeline.errors import InputError
from pipeline.evaluation.evaluator import evaluate
from pipeline.tflite.inspect import inspect
from pipeline.workflow import search as workflow
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run
from pipeline.workflow.search import Budget, search
from tests.quantization.search import models


@pytest.fixture(scope="module")
def ruined(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return models.run(tmp_path_factory.mktemp("runs") / "ruined")


def test_the_one_operator_that_int8_ruins_is_kept(ruined: Run, tmp_path: Path) -> None:
    context = stages.reopen(ruined)
    found, answer = search(context, Budget(1.0), tmp_path)
    assert found.steps[0].kept == ()
    assert found.steps[0].difference.value < -0.3
    assert found.chosen is not None
    assert found.steps[found.chosen].kept == ("hidden",)
    assert found.steps[found.chosen].difference.value >= -0.01
    assert [str(rule) for rule in found.rules] == ["hidden=float16"]
    assert (found.split, found.candidates) == ("validation", 3)
    assert answer is not None
    assert {entry.output: entry.compute for entry in inspect(answer).operators}["hidden"] == "float32"
    task = context.task
    measured = evaluate({"answer": answer}, context.data.batches("validation", 32), task)["answer"]
    assert measured.values["top1"] == found.steps[found.chosen].value
    assert measured.size_bytes == found.steps[found.chosen].size_bytes


def test_the_answer_is_shown_in_the_other_types_too(ruined: Run, tmp_path: Path) -> None:
    found, _ = search(stages.reopen(ruined), Budget(1.0, compute="float32"), tmp_path)
    tried = {step.compute: step for step in found.steps if step.kept == ("hidden",)}
    assert set(tried) == {"float32", "float16", "int16x8"}
    assert tried["float32"].size_bytes > tried["float16"].size_bytes > tried["int16x8"].size_bytes
    # Its weights are int8 all the same, and it is they that lose.
    assert not tried["int16x8"].within


def test_the_test_split_takes_no_part_but_is_reported(ruined: Run, tmp_path: Path) -> None:
    found, _ = search(stages.reopen(ruined), Budget(1.0), tmp_path)
    assert found.test is not None
    assert set(found.test) == {"float", "int8", "chosen"}
    assert found.test["chosen"]["top1"] > found.test["int8"]["top1"]
    found, _ = search(stages.reopen(ruined), Budget(1.0, split="test"), tmp_path)
    assert found.split == "test"
    assert found.test is None


def test_a_budget_that_int8_keeps_to_needs_nothing(ruined: Run, tmp_path: Path) -> None:
    found, answer = search(stages.reopen(ruined), Budget(100.0), tmp_path)
    assert (found.chosen, found.rules, len(found.steps)) == (0, (), 1)
    assert answer == tmp_path / "000.tflite"


def test_a_sure_budget_is_harder_to_keep_to(ruined: Run, tmp_path: Path) -> None:
    context = stages.reopen(ruined)
    found, _ = search(context, Budget(1.05), tmp_path)
    sure, answer = search(context, Budget(1.05, sure=True), tmp_path)
    assert found.chosen is not None
    assert sure.chosen is not None
    assert answer is not None
    assert found.steps[found.chosen].difference.low < -0.015
    assert sure.steps[sure.chosen].difference.low >= -0.015
    assert len(sure.steps[sure.chosen].kept) > len(found.steps[found.chosen].kept)


def test_a_budget_that_nothing_keeps_to(ruined: Run, tmp_path: Path) -> None:
    """On so few examples the interval is never as narrow as a tenth of a point, not even with all of it in float."""
    found, answer = search(stages.reopen(ruined), Budget(0.1, sure=True), tmp_path)
    assert (found.chosen, answer) == (None, None)
    assert len(found.steps[-1].kept) == found.candidates


def test_after_as_many_models_as_allowed_what_was_measured_is_told(ruined: Run, tmp_path: Path) -> None:
    found, answer = search(stages.reopen(ruined), Budget(1.0, models=1), tmp_path)
    assert found.ended_early
    assert len(found.steps) == 1
    assert answer is None


def test_after_as_many_models_as_allowed_the_smallest_that_keeps_to_the_budget_is_the_answer(
    ruined: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_as_many_as_allowed(ranked: Sequence[Any], enough: Callable[[tuple[Any, ...]], bool]) -> None:
        assert ranked[0].name == "hidden"
        for count in (3, 1, 2):
            enough(tuple(ranked[:count]))
        raise workflow._SpentError

    monkeypatch.setattr(workflow, "fewest", until_as_many_as_allowed)
    found, answer = search(stages.reopen(ruined), Budget(1.0), tmp_path)
    assert found.ended_early
    assert found.chosen == 2
    assert found.steps[2].kept == ("hidden",)
    assert answer == tmp_path / "002.tflite"
    assert {step.compute for step in found.steps if step.kept == ("hidden",)} == {"float16", "float32", "int16x8"}


def test_without_a_metric_there_is_no_budget(ruined: Run, tmp_path: Path) -> None:
    content = ruined.manifest["recipe"] | {"task": "fidelity"}
    with pytest.raises(InputError, match="the task 'fidelity' has none"):
        search(stages.RunContext(recipes.parse(content), ruined), Budget(1.0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_examples_that_do_not_fit_into_memory_are_read_again(
    ruined: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, _ = search(stages.reopen(ruined), Budget(100.0), tmp_path)
    monkeypatch.setattr(workflow, "MEMORY", 10_000)
    again, _ = search(stages.reopen(ruined), Budget(100.0), tmp_path)
    assert (again.float_value, again.steps[0].value) == (held.float_value, held.steps[0].value)
    assert again.steps[0].agreement == held.steps[0].agreement


def test_the_recipes_own_rules_hold(ruined: Run, tmp_path: Path) -> None:
    content = ruined.manifest["recipe"] | {"quantize": {"keep": [{"match": "hidden", "as": "float32"}]}}
    found, _ = search(stages.RunContext(recipes.parse(content), ruined), Budget(1.0), tmp_path)
    assert found.chosen == 0
    assert [str(rule) for rule in found.rules] == ["hidden=float32"]


def test_too_few_examples_for_the_budget_are_told(ruined: Run, tmp_path: Path) -> None:
    said: list[str] = []
    search(stages.reopen(ruined, say=said.append), Budget(0.1), tmp_path)
    assert any("too few for a budget of 0.1 points" in message for message in said)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(-1.0), "0 points or more"),
        (Budget(1.0, compute="int8"), "float32, float16 or int16x8"),
        (Budget(1.0, split="validatoin"), "validation"),
    ],
)
def test_what_cannot_be_searched_for(ruined: Run, tmp_path: Path, budget: Budget, said: str) -> None:
    with pytest.raises(InputError, match=said):
        search(stages.reopen(ruined), budget, tmp_path)
    assert not list(tmp_path.iterdir())
