"""A run folder's memory and its files (see test_run_folder.py for the ordinary course)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.files import copy, replacing, write_bytes, write_text
from pipeline.workflow import run_folder
from pipeline.workflow.run_folder import Run, identity, key_of


def finished(folder: Path, stage: str = "train", content: str = "weights") -> Run:
    run = Run(folder)
    write_text(run.path(stage), content)
    run.record(stage, "key", [stage], 0.0)
    return run


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


def test_the_folder_of_all_runs_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path))
    assert run_folder.root() == tmp_path
    monkeypatch.delenv("PIPELINE_RUNS")
    assert run_folder.root() == Path("runs")


def test_a_key_hangs_on_every_part_and_not_on_the_order_of_a_mapping() -> None:
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})
    assert len({key_of("a", 1), key_of("a", 2), key_of("b", 1), key_of(1, "a"), key_of("a"), key_of()}) == 6


def test_a_files_identity_changes_with_its_content(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "model"
    write_text(path, "one")
    before = identity(path), identity(path.parent)
    assert (identity(path), identity(path.parent)) == before
    path.write_text("three")
    assert identity(path) != before[0]
    assert identity(path.parent) != before[1]
    assert identity(tmp_path / "nothing") == str(tmp_path / "nothing")


def fails(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_a_failed_write_leaves_the_old_file_alone_and_no_other(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(type(error)):
        fails(tmp_path / "a.json", error)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_full_disk_leaves_the_old_file_alone_and_is_status_1(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(PipelineError, match="No space left on device") as caught:
        fails(tmp_path / "a.json", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert caught.value.exit_status == 1
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.parametrize(
    "write", [lambda path: write_text(path, "x"), lambda path: write_bytes(path, b"x"), lambda path: copy(path, path)]
)
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PipelineError, match="cannot be written"):
        write(tmp_path / "file" / "model")


def test_the_temporary_file_has_the_suffix_and_lies_beside_the_target(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path / "new"
        temporary.write_text("x")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.keras"]


def test_a_written_file_has_the_rights_that_a_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


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
