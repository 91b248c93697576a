"""Two processes in one run folder: the second is told, nothing is mixed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.workflow.run_lock import hold


def another(folder: Path) -> subprocess.CompletedProcess[str]:
    """A process that wants to work in the folder."""
    program = (
        f"from pathlib import Path; from pipeline.workflow.run_lock import hold; held = hold(Path({str(folder)!r}))"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_another_process_is_kept_out_and_told_who_works_there(tmp_path: Path) -> None:
    held = hold(tmp_path / "runs" / "a")
    told = another(tmp_path / "runs" / "a")
    assert told.returncode != 0
    assert "Another process works in" in told.stderr
    assert "(process " in told.stderr
    assert "--run NAME" in told.stderr
    assert another(tmp_path / "runs" / "b").returncode == 0
    del held
    assert another(tmp_path / "runs" / "a").returncode == 0


def test_the_same_process_may_hold_it_twice_and_the_last_one_lets_go(tmp_path: Path) -> None:
    first, second = hold(tmp_path / "a"), hold(tmp_path / "a")
    del first
    assert another(tmp_path / "a").returncode != 0
    del second
    assert another(tmp_path / "a").returncode == 0


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    program = (
        "import time; from pathlib import Path; from pipeline.workflow.run_lock import hold; "
        f"held = hold(Path({str(tmp_path / 'a')!r})); print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert another(tmp_path / "a").returncode != 0
        process.kill()
    assert another(tmp_path / "a").returncode == 0


def test_the_folder_itself_is_not_made(tmp_path: Path) -> None:
    held = hold(tmp_path / "runs" / "a")
    assert held is not None
    assert not (tmp_path / "runs" / "a").exists()


def test_where_nothing_can_be_written_nobody_is_kept_out() -> None:
    assert hold(Path("/proc/runs/a")) is None


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(InputError, match=r"'.*file' is a file, where the folder of the run is to be"):
            hold(folder)


@pytest.mark.parametrize("text", [b"\x1b]0;title\x07", b"\xff" * 500, b""], ids=["escapes", "bytes", "nothing"])
def test_a_strange_lock_file_does_not_reach_the_terminal(tmp_path: Path, text: bytes) -> None:
    held = hold(tmp_path / "a")
    (tmp_path / ".a.lock").write_bytes(text)
    told = another(tmp_path / "a")
    assert "Another process works in" in told.stderr
    assert "\x1b" not in told.stderr
    del held
