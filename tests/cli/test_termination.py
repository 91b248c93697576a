"""SIGINT and SIGTERM end a command in order: a word, the status that a shell expects, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("program", ["pipeline", "pipeline.cli"])
def test_it_says_so_and_keeps_the_status(sent: signal.Signals, status: int, program: str, tmp_path: Path) -> None:
    """With the parent that watches over it, and without."""
    call = [sys.executable, "-m", "pipeline"]
    if program == "pipeline.cli":
        call = [sys.executable, "-c", "import sys; sys.argv[0] = 'pipeline'; from pipeline.cli import main; main()"]
    process = subprocess.Popen(
        [*call, "train", "mobilenet", "--set", "train.epochs=1000"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_RUNS": str(tmp_path / "runs")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert "→" in process.stderr.readline()  # it has begun
        process.send_signal(sent)
        said = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == status
    assert "Interrupted. What was finished is kept" in said
    assert "Traceback" not in said
    left = [path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not [name for name in left if name.startswith(".partial-")]
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
