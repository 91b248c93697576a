"""TF_CONFIG says which worker this is; what is wrong with it is said in one paragraph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe
from pipeline.cluster import ALONE, Worker, folder_for, this_worker, worker_of
from pipeline.errors import InputError
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

TWO = ["10.0.0.1:2222", "10.0.0.2:2222"]


def config(kind: str = "worker", index: Any = 0, **cluster: Any) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster or {"worker": TWO}, "task": {"type": kind, "index": index}})}


def together(**sections: Any) -> recipe.Recipe:
    return recipe.parse({"name": "tiny", "model": {"function": "tests.tiny_keras:model"}, **sections})


@pytest.mark.parametrize(
    ("environment", "worker"),
    [
        (config(), Worker(0, 2)),
        (config(index=1), Worker(1, 2)),
        (config("chief", chief=TWO[:1], worker=TWO[1:]), Worker(0, 2)),
        (config("worker", chief=TWO[:1], worker=TWO[1:]), Worker(1, 2)),
        (config(worker=TWO[:1]), Worker(0, 1)),
    ],
    ids=["first", "second", "chief", "worker beside a chief", "alone"],
)
def test_the_worker_is_read_off_tf_config(environment: dict[str, str], worker: Worker) -> None:
    assert this_worker(environment) == worker
    assert worker.is_chief == (worker.rank == 0)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "needs the environment variable TF_CONFIG"),
        ({"TF_CONFIG": ""}, "needs the environment variable TF_CONFIG"),
        ({"TF_CONFIG": "{"}, "not JSON"),
        ({"TF_CONFIG": "[]"}, "the keys cluster and task"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "the keys cluster and task"),
        (config(worker=[]), "at least one worker"),
        (config(worker="10.0.0.1:2222"), "must be a list of addresses"),
        (config(worker=["10.0.0.1"]), "must be a list of addresses"),
        (config(worker=TWO, ps=TWO), "cluster has ps"),
        (config(chief=TWO, worker=TWO), "one chief at most"),
        (config(index=2), "worker 2, which is not in the cluster"),
        (config(index="0"), "worker 0, which is not in the cluster"),
        (config(kind="evaluator"), "evaluator 0, which is not in the cluster"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_tf_config_is_explained_with_an_example(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        this_worker(environment)
    assert '"cluster": {"worker": [' in str(caught.value)


def test_a_recipe_that_trains_in_one_process_does_not_read_tf_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{")
    assert worker_of(together(train={}, qat={"strategy": "mirrored"})) == ALONE


def test_a_run_in_several_processes_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    context = stages.RunContext(together(train={"strategy": "multi_worker"}), Run(tmp_path / "tiny"))
    with pytest.raises(InputError, match="TF_CONFIG"):
        context.worker  # noqa: B018


def test_only_the_chief_has_the_runs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "tiny"
    assert folder_for(Worker(0, 3), folder) == folder
    others = [folder_for(Worker(rank, 3), folder) for rank in (1, 2)]
    assert len({folder, *others}) == 3
    assert not any(other.is_relative_to(folder.parent) for other in others)
    assert folder_for(Worker(1, 3), folder) == others[0]  # an interrupted run goes on there


def test_training_and_qat_are_spread_over_workers_together() -> None:
    with pytest.raises(InputError, match="must both be multi_worker, or neither"):
        together(train={"strategy": "multi_worker"}, qat={})
    assert together(qat={"strategy": "multi_worker"}).train is None


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InputError, match=r"train\.strategy"):
        together(train={"strategy": "horovod"})
