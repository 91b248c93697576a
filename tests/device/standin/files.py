"""The sync service: files to and from the device."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.device.standin.transport import Stream

_BLOCK = 64 * 1024
_NO_SPACE = "write failed: No space left on device"


class Sync:
    """One `sync:` stream.

    Args:
        stream: The stream.
        real: Where a path of the device lies on this host.
        free: Bytes that still fit on the device; None for any number.
        received: Is handed every block before it is written, and may change it or cut the connection.
    """

    def __init__(
        self, stream: Stream, real: Callable[[str], Path], free: int | None, received: Callable[[bytes], bytes]
    ) -> None:
        self._stream, self._real, self._free, self._received = stream, real, free, received

    def __call__(self) -> None:
        answers = {
            b"STAT": self._stat,
            b"LST2": lambda path: self._stat_v2(b"LST2", path, follow=False),
            b"STA2": lambda path: self._stat_v2(b"STA2", path, follow=True),
            b"LIST": self._list,
            b"SEND": self._send,
            b"RECV": self._receive,
        }
        while True:
            request, size = struct.unpack("<4sI", self._stream.read(8))
            if request == b"QUIT":
                return
            argument = self._stream.read(size).decode()
            if request in answers:
                answers[request](argument)
            else:
                self._fail(f"unknown request {request!r}")

    def _fail(self, why: str) -> None:
        self._stream.write(b"FAIL" + struct.pack("<I", len(why.encode())) + why.encode())

    def _stat(self, path: str) -> None:
        try:
            found = self._real(path).lstat()
            values = found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime)
        except OSError:
            values = 0, 0, 0
        self._stream.write(b"STAT" + struct.pack("<III", *values))

    def _stat_v2(self, request: bytes, path: str, *, follow: bool) -> None:
        try:
            found = self._real(path).stat(follow_symlinks=follow)
            values = (
                *(0, found.st_dev, found.st_ino, found.st_mode, found.st_nlink, found.st_uid, found.st_gid),
                *(found.st_size, int(found.st_atime), int(found.st_mtime), int(found.st_ctime)),
            )
        except OSError as error:
            values = (error.errno or 1, *[0] * 10)
        self._stream.write(request + struct.pack("<IQQIIIIQqqq", *values))

    def _list(self, path: str) -> None:
        folder = self._real(path)
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            found, name = entry.lstat(), entry.name.encode()
            header = struct.pack("<IIII", found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime), len(name))
            self._stream.write(b"DENT" + header + name)
        self._stream.write(b"DONE" + bytes(16))

    def _send(self, argument: str) -> None:
        path, _, mode = argument.rpartition(",")
        target = self._real(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file, error = target.open("wb"), None
        except OSError as reason:
            file, error = io.BytesIO(), f"couldn't create file: {reason.strerror}"
        with file:
            while True:
                kind, size = struct.unpack("<4sI", self._stream.read(8))
                if kind == b"DONE":
                    break
                block = self._received(self._stream.read(size))
                fits = len(block) if self._free is None else min(len(block), self._free - file.tell())
                file.write(block[:fits])
                if fits < len(block):
                    error = error or _NO_SPACE
        if error:
            self._fail(error)
            return
        target.chmod(int(mode, 0) & 0o777 or 0o644)
        os.utime(target, (size, size))  # DONE carries the time of change where DATA carries a size
        self._stream.write(b"OKAY" + bytes(4))

    def _receive(self, path: str) -> None:
        try:
            file = self._real(path).open("rb")
        except OSError as error:
            self._fail(f"open failed: {error.strerror}")
            return
        with file:
            while block := file.read(_BLOCK):
                self._stream.write(b"DATA" + struct.pack("<I", len(block)) + block)
        self._stream.write(b"DONE" + bytes(4))
