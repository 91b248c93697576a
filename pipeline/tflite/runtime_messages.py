"""What LiteRT prints by itself, kept off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_redirecting = threading.Lock()


@contextmanager
def without_messages() -> Iterator[None]:
    """Keep the runtime's INFO lines off the terminal.

    They come from C++ straight on file descriptor 2 and no setting turns them off, so what is written there
    meanwhile is caught, and passed on without those lines.
    """
    with _redirecting, tempfile.TemporaryFile() as caught:
        try:
            terminal = os.dup(2)
        except OSError:  # a process without a stderr
            yield
            return
        sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            caught.seek(0)
            for line in caught:
                if not line.startswith(b"INFO: "):
                    os.write(terminal, line)
            os.close(terminal)
