"""Runs and pushes that are killed at any moment are whole when they are called again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.robustness.kills import kill_pushes


def test_killed_pushes_leave_nothing_half_and_go_on() -> None:
    tally = kill_pushes(1)
    assert not tally.faults
    assert tally.kills.total() == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qat", "ptq"])
def test_killed_runs_go_on_and_end_as_undisturbed_ones(kind: str) -> None:
    # In a process of its own: what forks must not have computed anything with TensorFlow.
    call = [sys.executable, "-m", "tests.robustness.kills", "--count", "3", "--only", kind]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, "0 faults" in done.stdout) == (0, True), done.stdout + done.stderr[-2000:]
