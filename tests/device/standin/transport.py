"""adb's transport: packets, the handshake, and streams over one TCP connection."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable

_HEADER = struct.Struct("<6I")
_CNXN, _AUTH, _OPEN, _OKAY, _CLSE, _WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
_VERSION = 0x01000001  # from which on payloads have no checksum
_MAX_PAYLOAD = 1024 * 1024
_TOKEN, _SIGNATURE = 1, 2

Service = Callable[[], None]


class ClosedError(Exception):
    """The other side closed the stream or the connection."""


class Stream:
    """One service's two-way stream."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self._connection, self._local, self._remote = connection, local, remote
        self._change = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._current = memoryview(b"")
        self._ended = False
        self._may_write = True
        self._on_end: Callable[[], None] = lambda: None

    def read(self, size: int) -> bytes:
        """Exactly that many bytes."""
        pieces = []
        while size:
            if not self._current:
                self._next()
            piece = self._current[:size]
            self._current = self._current[len(piece) :]
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def read_some(self) -> bytes:
        """What is there, at least one byte."""
        if not self._current:
            self._next()
        some, self._current = bytes(self._current), memoryview(b"")
        return some

    def write(self, content: bytes) -> None:
        view = memoryview(content)
        step = self._connection.payload
        for start in range(0, len(view), step):
            with self._change:
                self._change.wait_for(lambda: self._may_write or self._ended)
                if self._ended:
                    raise ClosedError
                self._may_write = False
            self._connection.send(_WRTE, self._local, self._remote, view[start : start + step])

    def take(self, content: bytes) -> None:
        with self._change:
            self._waiting.append(content)
            self._change.notify_all()

    def written(self) -> None:
        with self._change:
            self._may_write = True
            self._change.notify_all()

    def end(self) -> None:
        with self._change:
            self._ended = True
            self._change.notify_all()
            told = self._on_end
        told()

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Call back when the other side goes, at once if it is gone already."""
        with self._change:
            self._on_end = tell
            ended = self._ended
        if ended:
            tell()

    def _next(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._ended)
            if not self._waiting:
                raise ClosedError
            self._current = memoryview(self._waiting.popleft())


class Connection:
    """One adb server that connected.

    Args:
        peer: The connection.
        banner: What the device says of itself: `device::KEY=VALUE;…features=…`.
        authorized: Whether it accepts the computer; otherwise it keeps asking for a signature.
        open_service: Gives what a service name stands for, or None.
    """

    def __init__(
        self,
        peer: socket.socket,
        banner: bytes,
        authorized: bool,
        open_service: Callable[[str, Stream, Connection], Service | None],
    ) -> None:
        self._peer, self._banner, self._authorized, self._open_service = peer, banner, authorized, open_service
        self._reader = peer.makefile("rb", buffering=_MAX_PAYLOAD)
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._last = 0
        self.payload = 4096

    def serve(self) -> None:
        """Answer until the other side or `drop` ends it."""
        try:
            while True:
                self._answer(*self._receive())
        except (ClosedError, OSError, ValueError):
            pass
        finally:
            for stream in list(self._streams.values()):
                stream.end()
            self.drop()

    def drop(self) -> None:
        """Cut the connection, as when a cable is pulled."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._peer.close()

    def send(self, command: int, first: int, second: int, payload: bytes | memoryview = b"") -> None:
        header = _HEADER.pack(command, first, second, len(payload), 0, command ^ 0xFFFFFFFF)
        with self._sending:
            self._peer.sendall(header + payload)

    def _receive(self) -> tuple[int, int, int, bytes]:
        command, first, second, size, _, _ = _HEADER.unpack(self._exactly(_HEADER.size))
        return command, first, second, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        content = self._reader.read(size) if size else b""
        if len(content) != size:
            raise ClosedError
        return content

    def _answer(self, command: int, first: int, second: int, payload: bytes) -> None:
        if command == _CNXN:
            self.payload = min(second, _MAX_PAYLOAD)
            if self._authorized:
                self.send(_CNXN, _VERSION, _MAX_PAYLOAD, self._banner)
            else:
                self.send(_AUTH, _TOKEN, 0, os.urandom(20))
        elif command == _AUTH:
            # A device asks again for a signature it does not know; the key that follows waits for its owner's tap.
            if first == _SIGNATURE:
                self.send(_AUTH, _TOKEN, 0, os.urandom(20))
        elif command == _OPEN:
            self._open(first, payload.rstrip(b"\0").decode())
        elif command == _OKAY and second in self._streams:
            self._streams[second].written()
        elif command == _WRTE and second in self._streams:
            self._streams[second].take(payload)
            self.send(_OKAY, second, first)
        elif command == _CLSE and second in self._streams:
            self._streams.pop(second).end()

    def _open(self, remote: int, name: str) -> None:
        self._last += 1
        local = self._last
        stream = Stream(self, local, remote)
        service = self._open_service(name, stream, self)
        if service is None:
            self.send(_CLSE, 0, remote)
            return
        self._streams[local] = stream
        self.send(_OKAY, local, remote)

        def run() -> None:
            with contextlib.suppress(ClosedError, OSError):
                service()
            self._streams.pop(local, None)
            with contextlib.suppress(OSError):
                self.send(_CLSE, local, remote)

        threading.Thread(target=run, daemon=True).start()
