"""What is done again after a change, and what is refused (see test_whole_recipe.py for the ordinary course)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe
from pipeline.errors import InputError, PipelineError
from pipeline.quantization.format_check import audit
from pipeline.tflite.inspect import inspect
from pipeline.workflow import origins, stages
from pipeline.workflow.run_folder import Run
from tests.conftest import TINY


def context(run: Run, **changes: Any) -> stages.RunContext:
    content = {section: {**value} if isinstance(value, dict) else value for section, value in TINY.items()}
    for section, values in changes.items():
        content[section] = {**content.get(section, {}), **values} if isinstance(values, dict) else values  # type: ignore[dict-item]
    return stages.RunContext(recipe.parse(content), run)


def finished(run: Run) -> dict[str, str]:
    """When each stage ended, and with which key."""
    return {name: record["key"] for name, record in run.manifest["stages"].items()}


def test_a_second_run_makes_nothing_again(small_run: Run) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in small_run.folder.iterdir() if path.suffix != ".json"}
    said: list[str] = []
    stages.run_recipe(stages.RunContext(context(small_run).recipe, small_run, say=said.append))
    after = {path.name: path.stat().st_mtime_ns for path in small_run.folder.iterdir() if path.suffix != ".json"}
    assert {name: time for name, time in after.items() if time != before.get(name)}.keys() <= {"labels.txt"}
    assert said
    assert all("before" in line for line in said)


def test_only_the_deleted_int8_is_written_again(small_run: Run) -> None:
    kept = {path: path.stat().st_mtime_ns for path in small_run.folder.glob("*.*") if path.stem in ("float", "qat")}
    content = small_run.path("int8.tflite").read_bytes()
    small_run.path("int8.tflite").unlink()
    stages.run_recipe(context(small_run))
    assert small_run.path("int8.tflite").read_bytes() == content
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_metrics_have_the_promised_keys(small_run: Run) -> None:
    metrics = json.loads(small_run.path("metrics.json").read_text())
    for name in ("float", "qat", "int8"):
        assert metrics[name].keys() >= {"top1", "n", "agreement", "size_bytes", "latency_p50_ms"}
        assert metrics[name]["size_bytes"] == small_run.path(f"{name}.tflite").stat().st_size
        assert 0 <= metrics[name]["agreement"] <= 1
    assert "prepared" not in metrics
    assert metrics["task"]["name"] == "classification"
    assert metrics["task"]["metrics"][0]["name"] == "top1"


def test_every_form_of_the_model_has_the_float_models_names(small_run: Run) -> None:
    forms = [inspect(small_run.path(f"{name}.tflite")) for name in ("float", "qat", "prepared", "int8")]
    assert len({port.name for form in forms for port in form.outputs}) == 1  # Keras counts its layers: dense_1, …
    assert len({port.name for form in forms for port in form.inputs}) == 1


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({"benchmark": {"runs": 4}}, {"measure"}),
        ({"evaluate": {"batch_size": 3}}, {"measure"}),
        ({"quantize": {"formats": ("int8", "float16")}}, {"float16", "measure"}),
        ({"quantize": {"io": "uint8"}}, {"int8", "measure"}),
        ({"description": "other words"}, {"flatbuffers", "int8", "measure"}),  # the files say it
    ],
    ids=["benchmark", "evaluate", "formats", "io", "description"],
)
def test_a_changed_key_redoes_what_depends_on_it(small_run: Run, changes: dict[str, Any], again: set[str]) -> None:
    before = finished(small_run)
    stages.run_recipe(context(small_run, **changes))
    assert {name for name, key in finished(small_run).items() if key != before.get(name)} == again


def test_all_formats_of_one_run(small_run: Run) -> None:
    wanted = ("int8", "int8_per_tensor", "int16x8", "dynamic", "float16", "float32")
    written = stages.formats(context(small_run), wanted)
    assert {name: inspect(path).verdict.kind for name, path in written.items()} == {name: name for name in wanted}


@pytest.mark.parametrize("io_type", ["int8", "uint8", "float32"])
def test_the_audit_finds_a_file_that_is_not_what_its_name_says(small_run: Run, io_type: Any) -> None:
    with pytest.raises(PipelineError, match="is not"):
        audit({"int8": small_run.path("float.tflite")}, io_type)


def test_float_ends_pass_the_audit_that_asked_for_them(small_run: Run) -> None:
    written = stages.formats(context(small_run), ("int8",), "float32")
    assert inspect(written["int8"]).verdict.kind == "int8_float_io"


def test_an_old_qat_is_not_exported_after_a_new_float_training(small_run: Run) -> None:
    """`pipeline train` with another recipe leaves qat.h5 behind: it no longer belongs to the float model."""
    from pipeline.workflow.export import Request, export

    old = small_run.path("int8.tflite").read_bytes()
    other = context(small_run, train={"seed": 7})
    stages.train(other)
    try:
        written = export(Request(small_run.folder, ("int8",), None, None, None, (), None))
    except PipelineError:
        return  # saying so is right as well
    assert written["int8"].read_bytes() != old
    assert "learned by QAT" not in small_run.path("ranges.json").read_text()


def test_a_run_stopped_before_its_model_says_so(small_run: Run) -> None:
    from pipeline.workflow.export import Request, export

    fresh = Run(small_run.folder.parent / "fresh")
    origins.describe(context(fresh))
    with pytest.raises(InputError, match="stopped before"):
        export(Request(fresh.folder, ("int8",), None, None, None, (), None))


def test_an_interrupted_qat_goes_on_from_the_float_model(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training.qat import fine_tune

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    trained = small_run.path("float.keras").stat().st_mtime_ns
    monkeypatch.setattr(fine_tune, "fine_tune", stop)
    with pytest.raises(KeyboardInterrupt):
        stages.run_recipe(context(small_run, qat={"learning_rate": 0.002}))
    assert small_run.path("float.keras").stat().st_mtime_ns == trained
    assert finished(small_run).keys() >= {"train"}


def test_ptq_leaves_qat_out_and_takes_the_training_over(small_run: Run) -> None:
    post = Run(small_run.folder.parent / "small-ptq")
    metrics = stages.run_recipe(context(post), ptq=True)
    assert metrics.keys() - {"host", "task", "judged"} == {"float", "int8"}
    assert post.path("float.keras").read_bytes() == small_run.path("float.keras").read_bytes()
    assert not post.path("qat.h5").exists()


def test_a_recipe_without_qat_takes_the_post_training_road(small_run: Run) -> None:
    run = Run(small_run.folder.parent / "other")
    assert "qat" not in stages.run_recipe(context(run, qat=None))
    with pytest.raises(InputError, match="no qat section"):
        stages.qat(context(run, qat=None))


def test_another_task_redoes_whatever_it_may_have_changed(small_run: Run) -> None:
    before = finished(small_run)
    stages.run_recipe(context(small_run, task="classification"))
    after = finished(small_run)
    assert {name for name in after if after[name] != before[name]} >= {"train", "qat", "flatbuffers", "measure"}


def test_the_same_seed_gives_the_same_weights_and_the_same_int8_file(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file

    def run(name: str, seed: int) -> tuple[list[bytes], bytes]:
        made, changes = Run(tmp_path / name), {"seed": seed, "epochs": 1}
        tf_keras.backend.clear_session()  # which would number the layers on
        tf_keras.utils.set_random_seed(len(name))  # whatever was drawn before
        own = context(made, model={"function": "tests.tiny_keras:with_dropout"}, train=changes, qat=changes)
        stages.run_recipe(own)
        weights = [load_file(made.path(file)).get_weights() for file in ("float.keras", "qat.h5")]
        return [array.tobytes() for arrays in weights for array in arrays], made.path("int8.tflite").read_bytes()

    first, again, other = run("first", 3), run("once_again", 3), run("other", 4)
    assert first == again
    assert first[0] != other[0]
