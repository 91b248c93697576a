"""A private adb server for the session and stand-ins connected to it. Without an adb, these tests are skipped."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.device import adb as adb_module
from pipeline.device.adb import Adb
from pipeline.device.device import Device
from pipeline.errors import InputError
from tests.device.standin.standin import StandIn

Connect = Callable[[StandIn], str]


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Adb, dict[str, str]]]:
    """The adb program, and the environment in which it finds a server of this session's own."""
    try:
        adb = adb_module.find()
    except InputError:
        pytest.skip("needs adb (on PATH, in ANDROID_HOME, or the wheel adbutils)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("adb")
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
            yield adb, environment
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def adb(adb_server: tuple[Adb, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Adb]:
    """adb, with its private server, which knows no device."""
    program, environment = adb_server
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    yield program
    program.call("disconnect")


@pytest.fixture
def connect(adb: Adb) -> Connect:
    """Make adb's server know a stand-in; answers its state then."""

    def connect(standin: StandIn) -> str:
        adb.call("connect", standin.serial)
        return Device(adb, standin.serial).state()

    return connect


@pytest.fixture
def standin(tmp_path: Path, connect: Connect) -> Iterator[StandIn]:
    """A stand-in that adb is connected to."""
    with StandIn(tmp_path / "stand-in") as standin:
        assert connect(standin) == "device"
        yield standin


@pytest.fixture
def device(adb: Adb, standin: StandIn) -> Device:
    """The same, as the product sees it."""
    return Device(adb, standin.serial)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.skip("adb's server did not start")
