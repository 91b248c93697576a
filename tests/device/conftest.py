"""A private adb server for the session and stand-ins connected to it. Without an adb, these tests are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.device import adb as adb_module
from pipeline.device.adb import Adb
from pipeline.device.device import Device
from pipeline.errors import InputError
from tests.device.adb_server import private_server
from tests.device.standin.standin import StandIn

Connect = Callable[[StandIn], str]


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Adb, dict[str, str]]]:
    """The adb program, and the environment in which it finds a server of this session's own."""
    try:
        adb = adb_module.find()
    except InputError:
        pytest.skip("needs adb (on PATH, in ANDROID_HOME, or the wheel adbutils)")
    try:
        with private_server(adb, tmp_path_factory.mktemp("adb")) as environment:
            yield adb, environment
    except TimeoutError:
        pytest.skip("adb's server did not start")


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
