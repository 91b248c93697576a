"""stdout and stderr that are closed, full, or read by nobody: the work is done, or the reason is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import tiny_models

ROOT = Path(__file__).parents[2]


def call(folder: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of the shell, in which `pipeline` is the command line, under the parent that watches over it."""
    (folder / "model.tflite").write_bytes(tiny_models.digits())
    line = command.replace("pipeline", f"{sys.executable} -m pipeline", 1)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_RUNS": "runs", **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        (">&-", 0, b""),
        ("2>&-", 0, b""),
        ("<&- >&- 2>&-", 0, b""),
        (">/dev/full", 1, b"cannot be written to stdout: No space left on device"),
        ("2>/dev/full", 0, b""),
        (">/dev/full 2>/dev/full", 1, b""),
        ("| head -1", 0, b""),
        ("| true", 0, b""),
    ],
)
def test_the_work_is_done_and_kept(ending: str, status: int, said: bytes, tmp_path: Path) -> None:
    line = f"pipeline benchmark model.tflite --runs 1 --warmup 0 --output out.json {ending}"
    done = call(tmp_path, line, PYTHONUNBUFFERED="1" if "full" in ending else "")
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert b"Error" not in done.stderr or said
    kept = (tmp_path / "out.json").read_bytes()  # nothing was printed into it
    assert kept.startswith(b"{")
    assert kept.endswith(b"}\n")


@pytest.mark.parametrize("ending", [">&-", "2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", ["inspect missing.tflite", "inspect --what"])
def test_a_wrong_call_keeps_its_status(ending: str, command: str, tmp_path: Path) -> None:
    done = call(tmp_path, f"pipeline {command} {ending}")
    assert done.returncode == 2
    assert done.stderr.startswith(b"" if ending.startswith("2") else b"Error" if "missing" in command else b"Usage")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["runs", "runs/model"])
def test_a_file_in_the_place_of_a_run_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("mine")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(40, 8, 8, 1)).astype(np.float32))
    done = call(tmp_path, "pipeline export model.tflite --int8 --data data.npz")
    assert done.returncode == 2
    assert f"'{place}' is a file".encode() in done.stderr
    assert (tmp_path / place).read_text() == "mine"
