"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.files import check_ordinary, copy, replacing, write_bytes, write_text


def fails(path: Path, error: BaseException) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize("error", [InputError("x"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_a_failed_write_leaves_the_old_file_alone_and_no_other(tmp_path: Path, error: BaseException) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(type(error)):
        fails(tmp_path / "a.json", error)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.parametrize("error", [RuntimeError("Unable to\nwrite"), ValueError(), OSError("Can't close")], ids=repr)
def test_what_a_library_raises_as_it_writes_is_said(tmp_path: Path, error: Exception) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(PipelineError, match=rf"cannot be written: {type(error).__name__}.*choose another") as caught:
        fails(tmp_path / "a.json", error)
    assert "\n" not in str(caught.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_full_disk_leaves_the_old_file_alone_and_is_status_1(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(PipelineError, match=r"No space left on device.*half-written") as caught:
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


def test_a_pipe_or_a_device_is_no_file_to_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="a device, a pipe or a socket"):
            check_ordinary(path)
    check_ordinary(tmp_path)
    check_ordinary(tmp_path / "nothing")


@pytest.mark.parametrize(
    "call",
    [
        ["inspect", "pipe"],
        ["evaluate", "pipe", "--data", "pipe"],
        ["export", "pipe", "--int8", "--data", "pipe"],
        ["doctor", "pipe.h5"],
        ["run", "mobilenet", "--set", "data.labels=pipe", "--set", "data.source=npz", "--set", "data.path=pipe"],
    ],
    ids=lambda call: call[0],
)
def test_no_command_waits_for_a_pipe(call: list[str], tmp_path: Path) -> None:
    for name in ("pipe", "pipe.h5"):
        os.mkfifo(tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *call],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "pipe" in done.stderr
    assert "Unexpected" not in done.stderr
