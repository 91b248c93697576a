"""A private adb server, which knows no device of the machine's own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.device.adb import Adb


@contextmanager
def private_server(adb: Adb, home: Path) -> Iterator[dict[str, str]]:
    """The environment in which adb finds it.

    Raises:
        TimeoutError: it does not start.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "HOME": str(home),
        "ANDROID_ADB_SERVER_PORT": str(port),
        # adb also looks for emulators on 5555 to 5585, which are not this session's.
        "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554",
        "ADB_MDNS_OPENSCREEN": "0",
    }
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [adb.path, "-L", f"tcp:{port}", "nodaemon", "server"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(port)
            yield environment
        finally:
            server.terminate()
            server.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError
