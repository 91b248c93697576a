"""Calls of the command line, in forks of this process that has its imports done: a thousand a minute.

The parent never runs a model, so that no thread of a runtime is lost in a fork. What a call starts as `python -m
MODULE` is forked too: the module runs whole, in a process of its own, and only Python's start and imports are spared.
:func:`fresh_call` spares nothing.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import typer
import typer.main

SECONDS = 20.0
"""Of processor time; a machine that has other things to do may take _PATIENCE times as long."""
_PATIENCE = 10
MEMORY = 2 << 30
_FAILED = 70
"""The status of a call that raised what the command line lets through."""


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    arguments: tuple[str, ...]
    status: int
    """The exit status; negative: the signal."""
    seconds: float
    peak_bytes: int
    """Resident memory that the call, or what it started, had more than its imports take."""
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
            "signal": (self.status < 0 and not self.hung) or "The work was ended by" in self.output,
            "status": self.status not in (0, 1, 2, 130, 143) and self.status >= 0,
            "unexpected": "Unexpected " in self.output or "Aborted." in self.output,
            "traceback": "Traceback (most recent call last)" in self.output,
            "memory": self.peak_bytes > MEMORY,
            "escape": b"\x1b" in self.stdout + self.stderr,
            "silent": self.status in (1, 2) and not self.output.strip(),
        }
        return [name for name, there in found.items() if there]


def preload(arguments: Sequence[str]) -> None:
    """Import whatever a call of the command line imports, and make its parser, without making it here."""
    listed = _Child([arguments], names_modules=True).ended(SECONDS)[0]
    for name in listed.stdout.decode("utf-8", "replace").split("\x00")[-1].split():
        with contextlib.suppress(Exception):
            __import__(name)
    from pipeline.cli import app

    _parser(app)
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages of all that is here


def call(arguments: Sequence[str], *, seconds: float = SECONDS) -> Ended:
    """`pipeline ARGUMENTS` in the current folder, in a fork."""
    return calls([arguments], seconds=seconds)[0]


def calls(commands: Sequence[Sequence[str]], *, seconds: float = SECONDS) -> list[Ended]:
    """`pipeline ARGUMENTS` for each in turn, in one fork for as long as none of them ends it; then in another."""
    ended: list[Ended] = []
    while len(ended) < len(commands):
        ended += _Child(commands[len(ended) :]).ended(seconds)
    return ended


def fresh_call(arguments: Sequence[str], *, seconds: float = SECONDS) -> Ended:
    """`pipeline ARGUMENTS` in the current folder as a user starts it, under the parent that reports crashes."""
    return _Child([arguments], fresh=True).ended(seconds)[0]


class _Child:
    """A fork that makes calls one after the other, and says how each ended."""

    def __init__(self, commands: Sequence[Sequence[str]], *, fresh: bool = False, names_modules: bool = False) -> None:
        self._commands = [tuple(command) for command in commands]
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  # closed in `ended`
        self._answers, answers = os.pipe()
        go, self._go = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._pid = os.fork()
        if self._pid == 0:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            standard = (os.open(os.devnull, os.O_RDONLY), self._out.fileno(), self._err.fileno())
            if fresh:
                become(lambda: _exec([sys.executable, "-m", "pipeline", *commands[0]]), standard)
            become(lambda: _one_after_the_other(self._commands, answers, go, names_modules), standard, (answers, go))
        os.close(answers)
        os.close(go)

    def ended(self, seconds: float) -> list[Ended]:
        """Of the calls until one that ended the process, or took too long."""
        found: list[Ended] = []
        try:
            for arguments in self._commands:
                started = time.monotonic()
                ready = self._answered(seconds)
                answer = os.read(self._answers, 1000) if ready else b""
                if answer:
                    status, peak = json.loads(answer)
                else:
                    status, peak = self._end(not ready)
                took = time.monotonic() - started
                texts = (_content(self._out), _content(self._err))
                found.append(Ended(arguments, status, took, max(0, peak - self._before), not ready, *texts))
                if not answer:
                    return found
                os.write(self._go, b".")
            self._end(hung=False)
            return found
        finally:
            for end in (self._answers, self._go):
                os.close(end)
            self._out.close()
            self._err.close()

    def _answered(self, seconds: float) -> bool:
        before, started = _processor_seconds(self._pid), time.monotonic()
        while time.monotonic() - started < _PATIENCE * seconds:
            if select.select([self._answers], [], [], 1)[0]:
                return True
            if _processor_seconds(self._pid) - before > seconds:
                return False
        return False

    def _end(self, hung: bool) -> tuple[int, int]:
        """Its status and most memory."""
        if hung:
            os.killpg(self._pid, signal.SIGKILL)
        _, status, usage = os.wait4(self._pid, 0)
        with contextlib.suppress(ProcessLookupError):  # what it started is gone too
            os.killpg(self._pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024


def _processor_seconds(group: int) -> float:
    """That the processes of a group have taken, and their children that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15])) if int(fields[2]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _one_after_the_other(commands: Sequence[Sequence[str]], answers: int, go: int, names_modules: bool) -> int:
    from pipeline.tflite import dry_run

    environment = dict(os.environ)
    subprocess.Popen = _ForkedModules  # type: ignore[misc]
    for command in commands:
        dry_run._known.clear()  # a process of its own would not know what the one before found
        status = _status_of(lambda command=command: _command_line(command))  # type: ignore[misc]
        if names_modules:
            print("\x00", " ".join(name for name in sys.modules if not name.startswith("__")))
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()  # what the end of a process would free
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        os.write(answers, json.dumps([status, peak * 1024]).encode())
        os.read(go, 1)
        for place in (1, 2):
            os.ftruncate(place, 0)
            os.lseek(place, 0, os.SEEK_SET)
        os.environ.clear()
        os.environ.update(environment)
    return 0


def become(run: Callable[[], int], standard: Sequence[int], kept: Sequence[int] = ()) -> NoReturn:
    """In a fork: run something on these three files for the standard ones, and end with its status."""
    status = _FAILED
    try:
        copies = [os.dup(number) for number in standard]  # one of them may be where another goes
        for place, copy in enumerate(copies):
            os.dup2(copy, place)
        edges = [2, *sorted(kept), 1024]
        for before, after in itertools.pairwise(edges):
            os.closerange(before + 1, after)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(place, mode, closefd=False) for place, mode in enumerate(("r", "w", "w"))
        )
        status = _status_of(run)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _status_of(run: Callable[[], int]) -> int:
    try:
        return run()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return _FAILED


_parser = functools.cache(typer.main.get_command)
"""Typer makes the parsers of all commands anew for each call of one."""


def _command_line(arguments: Sequence[str]) -> int:
    sys.argv = ["pipeline", *arguments]
    typer.main.get_command = _parser
    from pipeline.cli import main

    main()
    return 0


def _exec(command: Sequence[str]) -> int:
    os.execv(command[0], list(command))


class _ForkedModules(subprocess.Popen):  # type: ignore[type-arg]
    """`Popen` that forks for `python -m MODULE` where it would start another Python."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        command = [args] if isinstance(args, str) else [os.fspath(word) for word in args]
        if command[:2] != [sys.executable, "-m"]:
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        cwd, env = rest[4], rest[5]
        pipes = rest[9:15]  # of stdin, stdout and stderr: where it is read, and where it is written
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            own = (pipes[0], pipes[3], pipes[5])
            standard = [given if given >= 0 else place for place, given in enumerate(own)]
            become(lambda: _module(command[2], command[3:], cwd, env), standard)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def _module(name: str, arguments: Sequence[str], cwd: str | None, env: dict[str, str] | None) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if cwd is not None:
        os.chdir(cwd)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
    return 0
