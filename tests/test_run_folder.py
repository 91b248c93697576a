"""A stage is done again exactly when something it depends on changed, and files are written whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.files import replacing, write_text
from pipeline.workflow.run_folder import Run, newest


def finished(folder: Path) -> Run:
    run = Run(folder)
    write_text(run.path("model"), "weights")
    run.record("train", "key", ["model"], 0.0)
    return run


def test_a_recorded_stage_is_done(tmp_path: Path) -> None:
    assert finished(tmp_path / "a").has("train", "key")


def test_another_key_a_changed_file_or_a_missing_file_is_not(tmp_path: Path) -> None:
    run = finished(tmp_path / "a")
    assert not run.has("train", "other key")
    run.path("model").write_text("damaged")
    assert not run.has("train", "key")
    run.path("model").unlink()
    assert not run.has("train", "key")


def test_a_stage_can_be_taken_over_from_another_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "b")
    assert run.adopt("train", "key", finished(tmp_path / "a"))
    assert run.has("train", "key")
    assert not Run(tmp_path / "c").adopt("train", "other key", run)


def test_the_newest_run_is_the_one_worked_on_last(tmp_path: Path) -> None:
    import os

    first, second = finished(tmp_path / "a"), finished(tmp_path / "b")
    os.utime(second.path("manifest.json"), (1, 1))
    assert newest(tmp_path) == first
    with pytest.raises(InputError, match="no run"):
        newest(tmp_path / "empty")


def test_a_damaged_manifest_says_how_to_go_on(tmp_path: Path) -> None:
    run = finished(tmp_path / "a")
    run.path("manifest.json").write_text('{"stages"')
    with pytest.raises(InputError, match="Remove it"):
        run.has("train", "key")


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model.keras"
    write_text(target, "old")

    def interrupted() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said_plainly(tmp_path: Path) -> None:
    def full() -> None:
        with replacing(tmp_path / "model"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PipelineError, match=r"No space left.*half-written"):
        full()
    assert not list(tmp_path.iterdir())
