"""The parent process ends as its child does, and says in one paragraph what killed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.supervision import explanation

ROOT = Path(__file__).parents[1]


def run(body: str) -> subprocess.CompletedProcess[str]:
    code = f"from pipeline.supervision import note_running, supervise\nimport os, sys\nsupervise()\n{body}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_crash_is_one_paragraph_with_what_ran() -> None:
    done = run("note_running('an older one, with a longer name')\nnote_running('the model m.tflite')\nos.abort()")
    assert done.returncode == 1
    assert "Error: The work was ended by SIGABRT while it ran the model m.tflite. " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_the_child_says_and_its_status_stay() -> None:
    done = run("print('done')\nsys.exit(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "")


def test_too_much_memory_is_the_likely_cause_of_a_kill() -> None:
    assert "not enough memory" in explanation("SIGKILL", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_parent_ends_both(number: signal.Signals) -> None:
    code = (
        "from pipeline.supervision import supervise\nimport os, time\nsupervise()\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
        assert parent.wait(20) == -number
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


def test_the_command_line_goes_on_under_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "recipes", "show", "no_such"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
