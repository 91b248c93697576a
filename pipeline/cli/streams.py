"""stdout and stderr that are closed, full or read by nobody: the work goes on, and the exit status tells."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING

from pipeline.errors import AS_ESCAPES

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT, _STDERR = 1, 2
_replaced: list[object] = []
"""Streams whose end would close the files that they stood for."""


class _Sink(io.RawIOBase):
    """A file descriptor that never fails: what it does not take is lost, and the reason kept."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: ReadableBuffer) -> int:
        while self.failure is None:
            try:
                return os.write(self._number, data)
            except BlockingIOError:  # somebody made the terminal or the pipe non-blocking
                select.select([], [self._number], [])
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


class Output:
    """What is printed by this process, from now on."""

    def __init__(self) -> None:
        self._stdout = self._sink("stdout", _STDOUT)
        self._sink("stderr", _STDERR)

    def failure(self) -> str | None:
        """Why what was printed on stdout did not get there; None: it did, or its reader (`head`) has seen enough."""
        if sys.stdout is not None:
            sys.stdout.flush()
        error = None if self._stdout is None else self._stdout.failure
        return None if error is None or error.errno == errno.EPIPE else error.strerror or str(error)

    def _sink(self, name: str, number: int) -> _Sink | None:
        """None where the stream is not this process's own, as in a test that reads it."""
        given = getattr(sys, name)
        buffer = getattr(given, "buffer", None)
        raw = getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED: there is none between
        if given is not None and (not isinstance(raw, io.FileIO) or raw.fileno() != number):
            if isinstance(given, io.TextIOWrapper):
                given.reconfigure(errors=AS_ESCAPES)
            return None
        if given is not None:
            given.flush()
            _replaced.append(given)
        sink = _Sink(number)
        stream = io.TextIOWrapper(
            io.BufferedWriter(sink),
            encoding=getattr(given, "encoding", None) or "utf-8",
            errors=AS_ESCAPES,  # a file's name need not be text in the terminal's encoding
            line_buffering=number == _STDERR or sink.isatty() or buffer is raw,
        )
        setattr(sys, name, stream)
        return sink
