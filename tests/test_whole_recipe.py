"""A whole recipe on a tiny model: recipe in, int8 file and numbers out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tensors import only
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata import read
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

CONTENT = {
    "name": "tiny",
    "model": {"function": "tests.tiny_keras:model"},
    "data": {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 40},
    "train": {"epochs": 6, "learning_rate": 0.01},
    "qat": {"epochs": 1},
    "benchmark": {"runs": 6, "warmup": 1},
}


def context(folder: Path, **changes: object) -> stages.RunContext:
    return stages.RunContext(recipe.parse({**CONTENT, **changes}), Run(folder))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> stages.RunContext:
    finished = context(tmp_path_factory.mktemp("runs") / "tiny")
    stages.run_recipe(finished)
    return finished


def test_the_folder_holds_models_manifest_metrics_and_labels(done: stages.RunContext) -> None:
    names = {path.name for path in done.run.folder.iterdir()}
    assert names >= {"float.keras", "qat.h5", "float.tflite", "qat.tflite", "int8.tflite", "labels.txt"}
    assert names >= {"manifest.json", "metrics.json", "prepared.tflite", "ranges.json"}
    assert done.run.path("labels.txt").read_text().split() == [str(digit) for digit in range(10)]


def test_the_metrics_have_a_block_a_model(done: stages.RunContext) -> None:
    metrics = json.loads(done.run.path("metrics.json").read_text())
    for name in ("float", "qat", "int8"):
        assert metrics[name].keys() >= {"top1", "n", "agreement", "size_bytes", "latency_p50_ms"}
        assert metrics[name]["n"] == done.data.size("test")
    assert metrics["float"]["agreement"] == 1.0


def test_it_learned_and_int8_keeps_it(done: stages.RunContext) -> None:
    metrics = done.run.metrics
    assert metrics["float"]["top1"] > 0.3  # chance is 0.1
    assert metrics["int8"]["top1"] >= metrics["float"]["top1"] - 0.1


def test_int8_answers_as_the_simulation_does(done: stages.RunContext) -> None:
    import numpy as np

    from pipeline.tflite.runner import Runner

    batches = list(done.data.batches("test", 60))
    answers = [
        np.concatenate([only(Runner(done.run.path(name))(batch.inputs).real).argmax(1) for batch in batches])
        for name in ("qat.tflite", "int8.tflite")
    ]
    assert (answers[0] == answers[1]).mean() >= 0.97


def test_every_weight_has_a_scale_per_channel_dense_and_depthwise_too(done: stages.RunContext) -> None:
    found = inspect(done.run.path("int8.tflite"))
    assert found.verdict.kind == "int8"
    scales = {op.name: op.weights.scales for op in found.operators if op.weights}
    assert scales == {"CONV_2D": 8, "DEPTHWISE_CONV_2D": 8, "FULLY_CONNECTED": 10}


def test_the_file_knows_its_labels_preprocessing_and_origin(done: stages.RunContext) -> None:
    metadata = read(done.run.path("int8.tflite"))
    assert metadata is not None
    assert metadata.labels == tuple(str(digit) for digit in range(10))
    assert metadata.preprocessing["scale"] == "0..1"
    assert metadata.provenance["recipe_sha256"] == done.recipe.digest()


def test_a_second_call_does_nothing_again(done: stages.RunContext) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in done.run.folder.glob("*.*flite")}
    said: list[str] = []
    again = stages.RunContext(done.recipe, done.run, say=said.append)
    stages.run_recipe(again)
    assert {path.name: path.stat().st_mtime_ns for path in done.run.folder.glob("*.*flite")} == before
    assert all("before" in line for line in said)


def test_only_what_is_missing_is_made_again(done: stages.RunContext) -> None:
    trained = done.run.path("float.keras").stat().st_mtime_ns
    content = done.run.path("int8.tflite").read_bytes()
    done.run.path("int8.tflite").unlink()
    stages.run_recipe(done)
    assert done.run.path("int8.tflite").read_bytes() == content
    assert done.run.path("float.keras").stat().st_mtime_ns == trained


def test_ptq_takes_the_float_training_over_and_measures_its_ranges(done: stages.RunContext) -> None:
    post = stages.RunContext(done.recipe, Run(done.run.folder.parent / "tiny-ptq"))
    metrics = stages.run_recipe(post, ptq=True)
    assert "qat" not in metrics
    assert post.run.path("float.keras").read_bytes() == done.run.path("float.keras").read_bytes()
    assert "learned" not in json.loads(post.run.path("ranges.json").read_text())["method"]
    assert inspect(post.run.path("int8.tflite")).verdict.kind == "int8"


def test_qat_without_its_section_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no qat section"):
        stages.qat(context(tmp_path / "tiny", qat=None))


def test_a_model_that_does_not_fit_the_data_is_refused(tmp_path: Path) -> None:
    data = {"source": "digits", "preprocess": {"size": [9, 9]}}
    with pytest.raises(InputError, match=r"\(8, 8, 1\).*\(9, 9, 1\)"):
        stages.run_recipe(context(tmp_path / "tiny", data=data))


def test_fewer_classes_without_training_are_refused(tmp_path: Path) -> None:
    model = {"function": "tests.tiny_keras:model", "classes": 12}
    with pytest.raises(InputError, match="trains no new head"):
        stages.run_recipe(context(tmp_path / "tiny", model=model, train=None))
