"""The tables of metrics, made from the JSON of runs of any task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.cli.metrics_table import WIDTH
from pipeline.cli.run import show_metrics
from pipeline.evaluation.evaluator import evaluate
from pipeline.tasks import resolve
from pipeline.tensors import Batch, TensorSpec
from pipeline.tflite.endings import endings
from pipeline.tflite.runner import Runner
from pipeline.workflow.measurement import task_json
from tests import tiny_models

Captured = pytest.CaptureFixture[str]
TIMES = {"latency_p50_ms": 0.5, "threads": 1}


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def metrics(section: Any, classes: int = 10, target: str = "int64", *shape: int) -> dict[str, Any]:
    """A run's metrics: an int8 model beside its float one, judged by a task."""
    weights = np.random.default_rng(0).normal(size=(classes, 4))
    models = {"float": tiny_models.linear(weights), "int8": tiny_models.linear(weights, dtype="int8")}
    signature = Runner(models["float"]).signature
    specs = {"t": TensorSpec("t", (-1, *shape), np.dtype(target))}
    resolved = resolve(section, signature, endings(models["float"]), {}, specs)
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    y = np.random.default_rng(2).integers(0, 2, (40, *shape)).astype(target)
    found = evaluate(models, [Batch({"x": x}, {"t": y})], resolved.task, "float")
    blocks = {name: {**one.to_json(), **TIMES} for name, one in found.items()}
    blocks["float"]["agreement"] = 1.0
    return {**blocks, "task": task_json(resolved), "host": {"cpu": "a host"}}


def shown(content: dict[str, Any], capsys: Captured) -> list[str]:
    show_metrics(content)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_classifiers_table(capsys: Captured) -> None:
    lines = shown(metrics("classification"), capsys)
    assert lines[1].split()[:5] == ["model", "top-1", "vs", "float", "top-5"]
    assert any(line.split()[:3] == ["float", lines[3].split()[1], "%"] for line in lines)
    assert any("in points" in line for line in lines)
    assert max(map(len, lines[:5])) <= WIDTH


def test_a_regressions_table_has_a_column_a_metric(capsys: Captured) -> None:
    content = metrics("regression", 2, "float32", 2)
    lines = shown(content, capsys)
    assert "R²" in lines[1].split()
    assert f"{content['int8']['r2']:.4g}" in lines[4].split()
    assert f"{content['int8']['difference']['value']:+.3g}" in lines[4].split()
    assert not any("in points" in line for line in lines)
    assert max(map(len, lines[:5])) <= WIDTH


def test_columns_that_do_not_fit_are_left_out_and_the_first_metric_never_is(capsys: Captured) -> None:
    several = {"outputs": {"y": {"name": "regression"}}}
    content = metrics(several, 2, "float32", 2)
    assert [metric["name"] for metric in content["task"]["metrics"]] == ["y.r2", "y.rmse", "y.mae"]
    lines = shown(content, capsys)
    assert "y R²" in lines[1]
    assert "y MAE" not in lines[1]
    assert max(map(len, lines[:5])) <= WIDTH


def test_without_a_metric_there_is_fidelity(capsys: Captured) -> None:
    content = metrics("fidelity")
    lines = shown(content, capsys)
    assert lines[1].split()[:3] == ["model", "agreement", "SQNR"]
    ratio = content["int8"]["outputs"]["y"]["sqnr_db"]
    assert f"{ratio:.1f}" in lines[4].split()
    assert not any("vs float" in line for line in lines)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"sqnr_db": None, "identical": True, "max_lsb": 0}, ["same", "0"]),
        ({"sqnr_db": None, "identical": False, "max_lsb": 3}, ["lost", "3"]),
        ({"sqnr_db": 31.26, "identical": False, "max_lsb": 3}, ["31.3", "dB", "3"]),
    ],
)
def test_the_ratio_is_of_the_output_that_is_worst_off(
    output: dict[str, Any], said: list[str], capsys: Captured
) -> None:
    content = metrics("fidelity")
    better = {"sqnr_db": 80.0, "identical": False, "max_lsb": None} if output["sqnr_db"] else output
    content["int8"]["outputs"] = {"y": output, "z": better}
    assert " ".join(said) in " ".join(shown(content, capsys)[4].split())


def test_a_metric_that_is_not_known_is_a_dash(capsys: Captured) -> None:
    content = metrics("classification")
    content["int8"] |= {"top1": None, "difference": {"value": None, "low": None, "high": None}}
    lines = shown(content, capsys)
    assert lines[4].split()[:2] == ["int8", "–"]
    assert "vs float" not in lines[1]  # no difference is known


def test_a_task_names_its_metrics_in_json() -> None:
    block = metrics("classification")["task"]
    assert (block["name"], block["reason"]) == ("classification", "The recipe names classification.")
    assert block["metrics"][0] == {"name": "top1", "label": "top-1", "unit": "%", "higher_is_better": True}
