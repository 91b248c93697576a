"""The stand-in itself: its folder, its faults, its port."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.device.standin.files import Sync
from tests.device.standin.shell import Shell
from tests.device.standin.transport import ClosedError, Connection, Service, Stream

PROGRAMS = Path(__file__).parent / "programs"
REPOSITORY = Path(__file__).parents[3]

PROPERTIES = {
    "ro.boot.loopback_standin": "1",
    "ro.product.manufacturer": "nobody",
    "ro.product.model": "Loopback stand-in",
    "ro.soc.manufacturer": "this host",
    "ro.soc.model": "not a phone",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}
BATTERY = "Current Battery Service state:\n  USB powered: true\n  status: 3\n  level: 85\n  temperature: 312\n"
THERMAL = (
    "Thermal Status: 0\nCurrent temperatures from HAL:\n"
    "\tTemperature{mValue=48.1, mType=0, mName=cpu, mStatus=0}\n"
    "\tTemperature{mValue=33.4, mType=3, mName=skin, mStatus=0}\n"
)


@dataclass
class Faults:
    """What can be made to go wrong."""

    drop_after: int | None = None
    """Bytes pushed after which the connection breaks, and no new one is taken."""
    free: int | None = None
    """Bytes that still fit on the device."""
    bytes_a_second: float | None = None
    """The speed of the link; None for as fast as it goes."""
    damage: bool = False
    """Whether every pushed block arrives with its first byte changed."""


@dataclass
class StandIn:
    """A device on a port of 127.0.0.1; a context manager that serves meanwhile.

    Attributes:
        root: Its file system. `/data/local/tmp/x` lies at `root/data/local/tmp/x`.
        authorized: Whether it accepts the computer.
        features: What it says that it can do.
    """

    root: Path
    authorized: bool = True
    features: tuple[str, ...] = ("shell_v2", "stat_v2")
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        for folder in ("data/local/tmp", "data/data", "system/bin", "etc"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS.iterdir():
            shutil.copy(program, self.root / "system/bin" / program.name)
        self._add_sha256sum()
        self.program("am", "app")
        self.set_properties(**PROPERTIES)
        self.write("etc/battery", BATTERY)
        self.write("etc/thermal", THERMAL)
        for place, core in enumerate(sorted(os.sched_getaffinity(0))):
            self.write(f"sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq", f"{1_800_000 + 200_000 * place}\n")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: list[Connection] = []
        self._received = 0
        self._free_at = 0.0

    @property
    def serial(self) -> str:
        """What adb calls it once connected."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def unplug(self) -> None:
        """Break the connection and take no new one."""
        self._listening.close()
        for connection in self._connections:
            connection.drop()

    def real(self, path: str) -> Path:
        """Where a path of the device lies on this host."""
        return self.root / os.path.normpath(f"/{path}").lstrip("/")

    def write(self, path: str, content: str) -> Path:
        """Make a file on the device."""
        file = self.real(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def program(self, name: str, module: str, *arguments: str) -> Path:
        """Make a program on the device that is a module of this package."""
        return write_program(self.root / "system/bin" / name, module, *arguments)

    def set_properties(self, **values: str) -> None:
        """Change what getprop says."""
        known = {**getattr(self, "properties", {}), **values}
        self.properties = known
        self.write("etc/properties", "".join(f"{key}={value}\n" for key, value in known.items()))

    def _add_sha256sum(self) -> None:
        """One that uses the processor's own instructions, as phones' do: coreutils' is eight times slower."""
        if shutil.which("openssl") is None:
            self.program("sha256sum", "sha256sum")
            return
        self.write("system/bin/sha256sum", "#!/bin/sh\nexec openssl dgst -sha256 -r\n").chmod(0o755)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            model = self.properties["ro.product.model"].replace(" ", "_")
            banner = f"device::ro.product.name=standin;ro.product.model={model};features={','.join(self.features)}"
            connection = Connection(peer, banner.encode(), self.authorized, self._open)
            self._connections.append(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def _open(self, name: str, stream: Stream, connection: Connection) -> Service | None:
        kind, _, command = name.partition(":")
        if kind == "sync":
            return Sync(stream, self.real, self.faults.free, self._on_block)
        if kind == "exec":
            return Shell(stream, command, self.root, packets=False, raw=True)
        if kind.split(",")[0] == "shell":
            return Shell(stream, command, self.root, packets="v2" in kind.split(","))
        return None

    def _on_block(self, block: bytes) -> bytes:
        self._received += len(block)
        if self.faults.drop_after is not None and self._received > self.faults.drop_after:
            self.unplug()
            raise ClosedError
        if self.faults.bytes_a_second is not None:
            self._free_at = max(self._free_at, time.monotonic()) + len(block) / self.faults.bytes_a_second
            time.sleep(max(0.0, self._free_at - time.monotonic()))
        return bytes([block[0] ^ 1]) + block[1:] if self.faults.damage and block else block


def write_program(path: Path, module: str, *arguments: str) -> Path:
    """A file that runs `main` of a module of this package, with this Python, wherever it is copied."""
    # As many imports as there are programs that need any: sha256sum starts in 20 ms without site-packages.
    alone = module == "sha256sum"
    path.write_text(
        f"#!{sys.executable}{' -IS' if alone else ''}\n"
        f"import sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"from tests.device.standin.{module} import main\nmain({', '.join(map(repr, arguments))})\n"
    )
    path.chmod(0o755)
    return path
