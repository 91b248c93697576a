"""A run folder's memory: a stage is done again exactly when something that it depends on changed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.files import write_text
from pipeline.workflow import run_folder
from pipeline.workflow.run_folder import Run, key_of, name_for, run_named


def finished(folder: Path, stage: str = "train", content: str = "weights") -> Run:
    run = Run(folder)
    write_text(run.path(stage), content)
    run.record(stage, "key", [stage], 0.0)
    return run


def test_a_recorded_stage_is_done(tmp_path: Path) -> None:
    assert finished(tmp_path / "a").has("train", "key")


def test_another_key_a_changed_file_or_a_missing_file_is_not(tmp_path: Path) -> None:
    run = finished(tmp_path / "a")
    assert not run.has("train", "other key")
    run.path("train").write_text("damaged")
    assert not run.has("train", "key")
    run.path("train").unlink()
    assert not run.has("train", "key")


def test_a_stage_can_be_taken_over_from_another_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "b")
    assert run.adopt("train", "key", finished(tmp_path / "a"))
    assert run.has("train", "key")
    assert not Run(tmp_path / "c").adopt("train", "other key", run)


def test_a_stage_with_several_files_needs_all_of_them(tmp_path: Path) -> None:
    run = finished(tmp_path)
    write_text(run.path("second"), "x")
    run.record("train", "key", ["train", "second"], 0.0)
    assert run.has("train", "key")
    run.path("second").unlink()
    assert not run.has("train", "key")


def test_a_stage_recorded_again_replaces_its_record_and_leaves_the_others(tmp_path: Path) -> None:
    run = finished(tmp_path, "train")
    finished(tmp_path, "qat")
    run.record("train", "new key", ["train"], 0.0)
    assert run.has("qat", "key")
    assert run.has("train", "new key")
    assert not run.has("train", "key")


def test_describing_a_run_keeps_its_stages(tmp_path: Path) -> None:
    run = finished(tmp_path)
    run.describe(recipe={"name": "a"})
    assert run.has("train", "key")
    assert run.manifest["recipe"] == {"name": "a"}
    assert run.manifest["versions"]["numpy"]


def test_a_stage_whose_file_was_changed_is_not_taken_over(tmp_path: Path) -> None:
    other = finished(tmp_path / "a")
    other.path("train").write_text("damaged")
    assert not Run(tmp_path / "b").adopt("train", "key", other)
    assert not (tmp_path / "b").exists()


def test_what_changed_while_it_was_copied_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(source: Path, target: Path) -> None:
        write_text(target, "of another training")

    monkeypatch.setattr(run_folder, "copy", overtaken)
    run = Run(tmp_path / "b")
    assert not run.adopt("train", "key", finished(tmp_path / "a"))
    assert not run.has("train", "key")


def test_files_that_something_else_wrote_are_nothing_to_go_on_from(tmp_path: Path) -> None:
    run = finished(tmp_path)
    run.check_intact("train")
    run.path("train").write_text("another model")
    with pytest.raises(InputError, match=r"train' is not the file that this run made"):
        run.check_intact("train")
    run.path("train").unlink()
    with pytest.raises(InputError, match="missing"):
        run.check_intact("train")


def test_what_holds_of_the_whole_run_is_written_with_a_stage(tmp_path: Path) -> None:
    run = finished(tmp_path)
    run.record("qat", "key", ["train"], 0.0, {"recipe": {"name": "new"}}, made_from={"data": 1})
    assert run.manifest["recipe"] == {"name": "new"}
    assert run.manifest["stages"]["qat"]["made_from"] == {"data": 1}
    assert run.has("train", "key")


def test_a_run_takes_nothing_over_from_itself_or_from_nowhere(tmp_path: Path) -> None:
    run = finished(tmp_path / "a")
    assert not run.adopt("train", "key", run)
    assert not run.adopt("train", "key", Run(tmp_path / "nowhere"))


def test_what_was_taken_over_is_a_copy(tmp_path: Path) -> None:
    source, run = finished(tmp_path / "a"), finished(tmp_path / "b", "other")
    assert run.adopt("train", "key", source)
    source.path("train").write_text("changed later")
    assert run.path("train").read_text() == "weights"
    assert run.has("train", "key")
    assert run.has("other", "key")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        '{"stages"',
        "[]",
        "null",
        b"\xff\xfe",
        '{"stages": []}',
        '{"stages": {"train": {}}}',
        '{"stages": {"train": {"key": "key"}}}',
    ],
    ids=str,
)
def test_a_damaged_manifest_is_named_and_what_to_do(tmp_path: Path, content: str | bytes) -> None:
    run = Run(tmp_path)
    run.path("manifest.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=r"manifest\.json.*Remove it"):
        run.has("train", "key")


def test_a_new_run_has_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "new")
    assert (run.manifest, run.metrics, run.has("train", "key")) == ({}, {}, False)


def test_the_newest_is_the_run_whose_manifest_was_written_last(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("c", "a", "b")]
    for age, folder in enumerate(folders):
        finished(folder)
        os.utime(folder / "manifest.json", (1000 - age, 1000 - age))
    (tmp_path / "not a run").mkdir()
    assert run_folder.newest(tmp_path) == Run(tmp_path / "c")
    Run(tmp_path / "b").describe(name="touched")
    assert run_folder.newest(tmp_path) == Run(tmp_path / "b")


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run"):
        run_folder.newest(tmp_path / "empty")


def test_the_folder_of_all_runs_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path))
    assert run_folder.root() == tmp_path
    monkeypatch.delenv("PIPELINE_RUNS")
    assert run_folder.root() == Path("runs")


def test_a_key_depends_on_every_value_and_not_on_the_order_of_a_mapping() -> None:
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})
    assert len({key_of("a", 1), key_of("a", 2), key_of("b", 1), key_of(1, "a"), key_of("a"), key_of()}) == 6


def test_the_manifest_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished(tmp_path)

    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(PipelineError, match=r"manifest\.json"):
            run.record("qat", "key", ["train"], 0.0)
    assert run.has("train", "key")
    assert set(json.loads(run.path("manifest.json").read_text())["stages"]) == {"train"}


@pytest.mark.parametrize("name", ["../a", "/tmp/a", "a/b", "..", ".", "", "-a", "a\n", "a" * 101, "caf\udce9", "a b"])
def test_a_run_stays_inside_the_folder_of_runs(name: str) -> None:
    with pytest.raises(InputError, match="A run is called by letters"):
        run_named(name)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/my model.h5", "my-model"),
        ("caf\udce9.tflite", "caf"),
        (".tflite", "tflite"),
        ("a/..", None),
        ("é", "model"),
    ],
)
def test_a_model_files_run_is_called_as_the_file_as_far_as_it_can_be(path: str, name: str | None) -> None:
    found = name_for(Path(path))
    assert run_named(found).folder.name == found
    assert name is None or found == name
