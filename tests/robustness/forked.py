"""Calls of the command line, each in a fork of this process that has its imports done: hundreds a minute.

The parent never runs a model, so that no thread of a runtime is lost in a fork.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20.0
MEMORY = 2 << 30


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    arguments: tuple[str, ...]
    status: int
    """The exit status; negative: the signal."""
    seconds: float
    peak_bytes: int
    """Resident memory that the call added to what its imports take."""
    hung: bool
    stdout: bytes
    stderr: bytes

    @property
    def output(self) -> str:
        return (self.stdout + self.stderr).decode("utf-8", "replace")

    def faults(self) -> list[str]:
        """What a call must not do, whatever it is given."""
        found = {
            "hang": self.hung,
            "signal": self.status < 0 and not self.hung,
            "status": self.status not in (0, 1, 2, 130, 143) and self.status >= 0,
            "unexpected": "Unexpected " in self.output or "Aborted." in self.output,
            "traceback": "Traceback (most recent call last)" in self.output,
            "memory": self.peak_bytes > MEMORY,
            "escape": b"\x1b" in self.stdout + self.stderr,
            "silent": self.status in (1, 2) and not self.output.strip(),
        }
        return [name for name, there in found.items() if there]


def preload(arguments: Sequence[str]) -> None:
    """Import whatever a call of the command line imports, without making it here."""
    listed = _in_child(arguments, _print_modules, SECONDS)
    for name in listed.stdout.decode("utf-8", "replace").split("\x00")[-1].split():
        with contextlib.suppress(Exception):
            __import__(name)


def call(arguments: Sequence[str], *, seconds: float = SECONDS) -> Ended:
    """`pipeline ARGUMENTS` in the current folder."""
    return _in_child(arguments, None, seconds)


def _in_child(arguments: Sequence[str], afterwards: object, seconds: float) -> Ended:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        started = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        child = os.fork()
        if child == 0:
            _run(arguments, out.fileno(), err.fileno(), afterwards is not None)
        pidfd = os.pidfd_open(child)
        try:
            ready, _, _ = select.select([pidfd], [], [], seconds)
            if not ready:
                os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
        finally:
            os.close(pidfd)
            with contextlib.suppress(ProcessLookupError):  # what it started is gone too
                os.killpg(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        peak = max(0, usage.ru_maxrss * 1024 - before)
        return Ended(tuple(arguments), code, time.monotonic() - started, peak, not ready, out.read(), err.read())


def _run(arguments: Sequence[str], out: int, err: int, names_modules: bool) -> None:
    """In the child: the command line, and never back."""
    status = 70
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["pipeline", *arguments]
        from pipeline.cli import main

        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if names_modules:
            _print_modules()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _print_modules() -> None:
    own = (
        "pipeline",
        "numpy",
        "ai_edge_litert",
        "rich",
        "flatbuffers",
        "yaml",
        "pydantic",
        "PIL",
        "matplotlib",
        "scipy",
    )
    print("\x00", " ".join(name for name in sys.modules if name.partition(".")[0] in own))


def fresh_folder() -> Path:
    """Where runs of the calls go, so that none sees what another left."""
    return Path(tempfile.mkdtemp(prefix="robustness-"))
