"""A parent process that says how its child ended, where the child cannot: killed by a signal from inside a library.

TensorFlow and LiteRT check some things by `abort()`, and the system ends what takes too much memory. The parent only
waits, so it costs a fork before anything is imported. The child notes what it runs in memory that both see.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import sys

_FORWARDED = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_OWN = frozenset({"SIGTERM", "SIGHUP", "SIGPIPE", "SIGINT", "SIGQUIT"})
"""Signals that a user or the system sends on purpose: the parent ends by them too, without a word."""
_LENGTH = 1000
_PARENT_DIES = 1  # PR_SET_PDEATHSIG, of Linux's prctl

_note: mmap.mmap | None = None


def note_running(what: str) -> None:
    """Remember what this process is about to run, for the message of the parent; nothing where there is no parent."""
    if _note is not None:
        text = what.encode()[:_LENGTH]
        _note[: len(text) + 1] = text + b"\0"


def supervise() -> None:
    """Go on in a child process; the parent never returns, and ends as the child does.

    Where the child is killed from inside, the parent prints one paragraph and its exit status is 1. Systems that cannot
    fork go on without a parent.
    """
    global _note
    _open_standard_files()
    if not hasattr(os, "fork"):
        return
    _note = mmap.mmap(-1, _LENGTH + 1)
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_FORWARDED, signal.SIGCHLD))
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _end_with(parent)
        return
    status = _wait(child)
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    ended = signal.Signals(os.WTERMSIG(status))
    if ended.name in _OWN:
        signal.signal(ended, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (ended,))
        os.kill(os.getpid(), ended)
    what = _note[:].partition(b"\0")[0].decode("utf-8", "replace")
    with contextlib.suppress(OSError):
        sys.stderr.write(f"\nError: {explanation(ended.name, what)}\n")
        sys.stderr.flush()
    os._exit(1)


def explanation(ended: str, what: str) -> str:
    """One paragraph.

    Args:
        ended: The signal's name.
        what: What was noted last; may be empty.
    """
    while_it = f" while it ran {what}" if what else ""
    if ended == "SIGKILL":
        why = "Most likely there was not enough memory: use smaller batches, a smaller input size or data.limit."
    elif what:
        why = (
            "LiteRT's kernels check some things by ending the process, and this model ran on plausible inputs before: "
            "an example leads it there. Look at the data (`pipeline doctor`), or leave the model's last change out."
        )
    else:
        why = "A library that this program runs on ended it. Run it again with --debug, and report what it prints."
    return f"The work was ended by {ended}{while_it}. {why} What was finished is kept."


def _open_standard_files() -> None:
    """Where a standard stream is closed, the next file that is opened would take its number, and be printed into."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _wait(child: int) -> int:
    """The child's wait status. Signals that somebody sends to this process alone are passed on.

    The terminal sends Ctrl-C to both: then the kernel is its sender, and the child has it already.
    """
    while True:
        seen = signal.sigwaitinfo((*_FORWARDED, signal.SIGCHLD))
        if seen.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
        elif seen.si_code <= 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, seen.si_signo)


def _end_with(parent: int) -> None:
    """Let the child be killed where its parent is (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
