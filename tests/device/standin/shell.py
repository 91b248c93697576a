"""The shell service, with and without the packets of version 2."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import struct
import subprocess
from pathlib import Path

from tests.device.standin.transport import ClosedError, Stream

_STDOUT, _STDERR, _EXIT = 1, 2, 3
_DEVICE_PATH = re.compile(r"(?<![\w./-])/(?=(?:data|sys)(?:/|\b))")


class Shell:
    """One command, run by this host's shell in the device's folder.

    Args:
        stream: The stream.
        command: As adb sent it.
        root: The device's folder; `/data` and `/sys` in the command mean the folders there.
        packets: Whether output, errors and the exit status come apart (shell version 2).
        raw: Whether the output is binary (`exec:`), so that no path in it is turned back into the device's.
    """

    def __init__(self, stream: Stream, command: str, root: Path, *, packets: bool, raw: bool = False) -> None:
        self._stream, self._root, self._packets, self._raw = stream, root, packets, raw
        self._command = _DEVICE_PATH.sub(lambda _: f"{root}/", command)

    def __call__(self) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", self._command],
            cwd=self._root,
            env={
                "PATH": f"{self._root}/system/bin:/usr/local/bin:/usr/bin:/bin",
                "STANDIN_ROOT": str(self._root),
                "HOME": str(self._root),
                "LC_ALL": "C.UTF-8",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._packets else subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_hang_ups,
        )

        def hang_up() -> None:
            # As adbd does where the other side is gone: only the shell is told, and what it started goes on.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGHUP)

        self._stream.when_ended(hang_up)
        try:
            self._pass_on(process)
        except ClosedError:
            hang_up()
        status = process.wait()
        if self._packets:
            self._packet(_EXIT, bytes([status if status >= 0 else 128 - status]))

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        with selectors.DefaultSelector() as ready:
            for pipe, kind in ((process.stdout, _STDOUT), (process.stderr, _STDERR)):
                if pipe is not None:
                    ready.register(pipe, selectors.EVENT_READ, kind)
            while ready.get_map():
                for key, _ in ready.select():
                    content = os.read(key.fd, 32768)
                    if not content:
                        ready.unregister(key.fileobj)
                        continue
                    if not self._raw:
                        content = content.replace(str(self._root).encode(), b"")
                    if self._packets:
                        self._packet(key.data, content)
                    else:
                        self._stream.write(content)

    def _packet(self, kind: int, content: bytes) -> None:
        self._stream.write(struct.pack("<BI", kind, len(content)) + content)


def _hear_hang_ups() -> None:
    """Tests that run under nohup ignore SIGHUP, and so would the shell."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
