"""Several replicas train as one: the same weights everywhere, and those of one process with the same batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from pipeline import recipe
from pipeline.cluster import Worker, folder_for
from pipeline.errors import InputError
from pipeline.tensors import Batch
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

ROOT = Path(__file__).parents[2]
TIMEOUT = 600
"""Seconds after which a worker that hangs fails the test."""

CONTENT: dict[str, Any] = {
    "name": "together",
    "model": {"function": "tests.tiny_keras:without_batch_norm"},
    "data": {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 20, "limit": 150},
    "train": {"epochs": 2, "batch_size": 32, "learning_rate": 0.01},
    "qat": {"epochs": 1, "batch_size": 32},
}


def spread(strategy: str, **changes: Any) -> dict[str, Any]:
    content = {**CONTENT, **changes}
    return content | {key: {**content[key], "strategy": strategy} for key in ("train", "qat")}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def environment(runs: Path, **more: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
    return {**inherited, "PYTHONPATH": str(ROOT), "PIPELINE_RUNS": str(runs), "OMP_NUM_THREADS": "1", **more}


class Ended(NamedTuple):
    status: int
    said: str


def start(content: dict[str, Any], runs: Path, command: str = "qat", workers: int = 2) -> list[subprocess.Popen[str]]:
    """`pipeline COMMAND` in so many processes on this machine."""
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "recipe.yaml").write_text(yaml.safe_dump(content))
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "pipeline", command, str(runs / "recipe.yaml")],
            env=environment(
                runs, TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": rank}})
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(workers)
    ]


def end(processes: list[subprocess.Popen[str]]) -> list[Ended]:
    """Wait for all; one that hangs ends the test and the others."""
    try:
        said = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [Ended(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def weights(path: Path) -> list[np.ndarray]:
    from pipeline.models.load import load_file

    found: list[np.ndarray] = load_file(path).get_weights()
    return found


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The run folders of the chief and the other worker after float training and QAT."""
    runs = tmp_path_factory.mktemp("together")
    for ended in end(start(spread("multi_worker"), runs)):
        assert ended.status == 0, ended.said
    return runs / "together", folder_for(Worker(1, 2), runs / "together")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one process, made from the same recipe without a strategy."""
    context = stages.RunContext(recipe.parse(CONTENT), Run(tmp_path_factory.mktemp("single") / "together"))
    stages.train(context)
    stages.qat(context)
    return context.run.folder


@pytest.mark.parametrize("name", [stages.FLOAT_KERAS, stages.QAT_KERAS])
def test_two_workers_end_with_the_same_weights(name: str, two_workers: tuple[Path, Path]) -> None:
    chief, other = (weights(folder / name) for folder in two_workers)
    for mine, theirs in zip(chief, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_two_workers_train_as_one_process_with_the_same_batch(two_workers: tuple[Path, Path], single: Path) -> None:
    ours, alone = (weights(folder / stages.FLOAT_KERAS) for folder in (two_workers[0], single))
    for together, one in zip(ours, alone, strict=True):
        np.testing.assert_allclose(together, one, rtol=1e-4, atol=1e-5)


def test_qat_on_two_workers_comes_near_one_process(two_workers: tuple[Path, Path], single: Path) -> None:
    """Not nearer: each replica measures the range of its share of the batch, and QAT rounds by their mean."""
    from pipeline.models.load import load_file

    ours, alone = (load_file(folder / stages.QAT_KERAS).trainable_weights for folder in (two_workers[0], single))
    for together, one in zip(ours, alone, strict=True):
        np.testing.assert_allclose(together, one, atol=3e-3)


def test_only_the_chief_wrote_the_run_folder(two_workers: tuple[Path, Path]) -> None:
    chief, other = two_workers
    assert [path.name for path in chief.parent.iterdir() if path.is_dir()] == ["together"]
    assert {*Run(chief).manifest["stages"]} == {*Run(other).manifest["stages"]} == {"train", "qat"}


MIRRORED = """
import sys, yaml
from pathlib import Path
import tensorflow as tf
[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from pipeline import recipe
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run
from pipeline.training import distribute
context = stages.RunContext(recipe.parse(yaml.safe_load(Path(sys.argv[1]).read_text())), Run(Path(sys.argv[2])))
stages.train(context)
stages.qat(context)
assert distribute.strategy("mirrored").num_replicas_in_sync == 2
"""


@pytest.mark.slow
def test_two_devices_of_one_process_train_as_one(tmp_path: Path, single: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(spread("mirrored")))
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path / "recipe.yaml"), str(tmp_path / "together")],
        env=environment(tmp_path, TF_USE_LEGACY_KERAS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    ours, alone = (weights(folder / stages.FLOAT_KERAS) for folder in (tmp_path / "together", single))
    for together, one in zip(ours, alone, strict=True):
        np.testing.assert_allclose(together, one, rtol=1e-4, atol=1e-5)
    assert (tmp_path / "together" / stages.QAT_KERAS).is_file()


def test_batch_norm_statistics_are_estimated_anew_in_the_scope_too() -> None:
    """With one replica the strategy's way must come to what the plain way comes to."""
    from pipeline.models.backend import tf
    from pipeline.training import batch_norm
    from tests.tiny_keras import model

    plain = model()
    batches = [np.random.default_rng(seed).normal(seed, 2, (8, 8, 8, 1)).astype(np.float32) for seed in range(3)]
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        spread_out = tf.keras.models.clone_model(plain)
        spread_out.set_weights(plain.get_weights())
        batch_norm.reestimate(spread_out, batches)
    batch_norm.reestimate(plain, batches)
    for ours, alone in zip(spread_out.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("examples", "batch_size", "replicas", "wanted"), [(64, 32, 1, 2), (65, 32, 1, 3), (65, 32, 2, 2), (66, 32, 2, 3)]
)
def test_the_last_batch_counts_where_every_replica_gets_of_it(
    examples: int, batch_size: int, replicas: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import distribute

    monkeypatch.setattr(distribute, "replicas", lambda: replicas)
    assert distribute.steps(examples, batch_size) == wanted


def test_a_batch_is_split_evenly_and_a_small_rest_left_out() -> None:
    from pipeline.training.distribute import parts

    batch = Batch({"a": np.arange(7), "b": np.ones((7, 2))}, {"y": np.arange(7) * 10})
    assert [part.inputs["a"].tolist() for part in parts(batch, 3)] == [[0, 1], [2, 3], [4, 5]]
    assert [part.inputs["b"].shape for part in parts(batch, 3)] == [(2, 2)] * 3
    assert [part.targets["y"].tolist() for part in parts(batch, 1)] == [batch.targets["y"].tolist()]
    assert not list(parts(batch[:2], 3))


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training import distribute

    monkeypatch.setattr(distribute, "replicas", lambda: 3)
    with pytest.raises(InputError, match=r"batch_size 32 .*multiple of 3"):
        distribute.check(32, 4, "QAT")
    with pytest.raises(InputError, match="fewer training examples than the 3 replicas"):
        distribute.check(33, 0, "QAT")


def test_without_tf_config_the_command_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(spread("multi_worker")))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "qat", str(tmp_path / "recipe.yaml")],
        env=environment(tmp_path / "runs"),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 2
    assert "TF_CONFIG" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_what_all_workers_have_finished_is_not_done_again_and_the_chief_goes_on(tmp_path: Path) -> None:
    content = spread("multi_worker", model={"function": "tests.tiny_keras:model"}, benchmark={"runs": 3, "warmup": 1})
    for ended in end(start(content, tmp_path, "run")):
        assert ended.status == 0, ended.said
    trained = (tmp_path / "together" / stages.QAT_KERAS).stat().st_mtime_ns
    chief, other = end(start(content, tmp_path, "run"))
    assert (chief.status, other.status) == (0, 0), chief.said + other.said
    assert "as trained before" in chief.said
    assert "as trained before" in other.said
    assert "the chief exports and measures" in other.said
    assert (tmp_path / "together" / stages.QAT_KERAS).stat().st_mtime_ns == trained
    assert (tmp_path / "together" / "int8.tflite").is_file()
    assert Run(tmp_path / "together").metrics["int8"]["n"]


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_others_with_the_remedy(tmp_path: Path) -> None:
    content = spread("multi_worker")
    content["train"] |= {"epochs": 100_000}
    chief, other = start(content, tmp_path)
    assert chief.stdout is not None
    for line in iter(lambda: chief.stdout.readline(), ""):  # type: ignore[union-attr]
        if "waiting for the others" in line:
            break
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(30)  # it trains
    other.kill()
    [ended] = end([chief])
    other.wait(10)
    assert ended.status != 0
    assert "worker was lost" in ended.said, ended.said
