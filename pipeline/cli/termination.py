"""SIGTERM as an orderly end: what was begun is undone, children end, and the shell is told by status 143."""

from __future__ import annotations

import signal
import threading
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143

_terminated = threading.Event()


def end_in_order() -> None:
    """From now on SIGTERM ends this process as Ctrl-C does: by KeyboardInterrupt, so that every `finally` is run."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def status() -> int:
    """The exit status after a KeyboardInterrupt."""
    return TERMINATED if _terminated.is_set() else INTERRUPTED


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: the end itself must not be cut off
    _terminated.set()
    raise KeyboardInterrupt
