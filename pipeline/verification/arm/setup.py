"""Filling an empty folder with the emulator and the aarch64 system: download, unpack, compile, try."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.progress import Track
from pipeline.verification.arm import plugin, wheels
from pipeline.verification.arm.debian import Apt

COMPILERS = ("cc", "gcc", "clang")

_SYSTEM = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8")
_PYTHON = ("python{}-minimal", "libpython{}-minimal", "libpython{}-stdlib")
_VERSIONS = ("3.11", "3.13", "3.12", "3.10")
"""Of the emulated Python: the first that the host's sources offer is taken. It only drives the runtime."""

_UNUSED = ("usr/share", "etc")
"""Of the packages for arm64: documentation, and configuration that links into the host's."""

_FIRST_RUN = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ai_edge_litert import interpreter
for mark in (0x5A5A0001, 0x5A5A0002):
    try: os.close(mark)
    except OSError: pass
"""
"""Compiles the bytecode of what is imported, which later runs find, and opens and closes a window to count in."""


class CannotEmulateError(PipelineError):
    """This host cannot emulate ARM: nothing was proven."""


class SetUp:
    """Fills a folder.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs, self._guest, self._site = folder / "host", folder / "guest", folder / "site"
        self._apt = Apt(folder / "apt")
        self._facts: dict[str, Any] = {}

    def make(self, track: Track) -> dict[str, Any]:
        """Do all steps.

        Returns:
            What a later process must know of this set-up, as JSON values.

        Raises:
            CannotEmulateError: the host's sources lack something.
            PipelineError: a download failed.
        """
        steps: tuple[Callable[[], None], ...] = (
            self._apt.update,
            self._fetch_emulator,
            self._fetch_system,
            self._fetch_packages,
            self._compile_counter,
            self._try,
        )
        for step in track(steps, "ARM set-up", len(steps)):
            step()
        shutil.rmtree(self._folder / "apt")
        return self._facts

    def _fetch_emulator(self) -> None:
        own = host_qemu()
        if own is None:
            self._apt.fetch_for_host("qemu-user", self._programs)
        self._facts["qemu"] = own or "host/usr/bin/qemu-aarch64"
        folders = [
            path for pattern in ("usr/lib/*-linux-gnu", "lib/*-linux-gnu") for path in self._programs.glob(pattern)
        ]
        self._facts["libraries"] = [str(path.relative_to(self._folder)) for path in folders]
        self._facts["qemu_version"] = self._run([self._qemu, "--version"]).splitlines()[0]

    def _fetch_system(self) -> None:
        version = next((v for v in _VERSIONS if self._apt.has(f"{_PYTHON[0].format(v)}:arm64")), None)
        if version is None:
            reason = f" {self._apt.complaint}" if self._apt.complaint else ""
            raise CannotEmulateError(
                "ARM cannot be emulated on this host, so nothing was proven: its apt sources offer no Python for "
                f"arm64.{reason} Debian's own sources do; on Ubuntu, the packages for arm64 are at ports.ubuntu.com, "
                "which must be among the sources."
            )
        self._facts["python"] = version
        names = [*_SYSTEM, *(name.format(version) for name in _PYTHON)]
        self._apt.fetch([f"{name}:arm64" for name in names], self._guest)
        for name in _UNUSED:
            shutil.rmtree(self._guest / name, ignore_errors=True)

    def _fetch_packages(self) -> None:
        wanted = [f"{name}=={metadata.version(name)}" for name in ("ai-edge-litert", "numpy")]
        wheels.install(wanted, self._facts["python"], self._site)

    def _compile_counter(self) -> None:
        if not any(shutil.which(name) for name in COMPILERS):
            with contextlib.suppress(PipelineError):  # then there is no compiler, and the counter says so
                self._apt.fetch(["tcc"], self._programs)
        api = plugin.plugin_api(self._facts["qemu_version"])
        self._facts["no_plugin"] = plugin.compile_plugin(self._counter, api, self._programs)

    def _try(self) -> None:
        """Import the runtime under emulation, with the counter where there is one and QEMU takes it."""
        if self._facts["no_plugin"] is None:
            counts = self._folder / "counts"
            try:
                self._import_runtime("-plugin", f"file=./{self._counter.name}")
                if "end" in counts.read_text(encoding="ascii"):
                    return
                raise PipelineError("it counted nothing")
            except (PipelineError, OSError) as error:
                self._facts["no_plugin"] = f"this QEMU does not run the counting plugin: {error}"
            finally:
                counts.unlink(missing_ok=True)
        self._import_runtime()

    def _import_runtime(self, *options: str) -> None:
        machine = [self._qemu, "-cpu", "cortex-a53", "-L", str(self._guest), "-U", "LD_LIBRARY_PATH", *options]
        home = ["-E", f"PYTHONHOME={self._guest / 'usr'}"]
        python = [str(self._guest / f"usr/bin/python{self._facts['python']}"), "-S", "-s", "-c", _FIRST_RUN]
        self._run([*machine, *home, *python, str(self._site)])

    @property
    def _qemu(self) -> str:
        return str(self._folder / self._facts["qemu"])

    @property
    def _counter(self) -> Path:
        return self._folder / "counter.so"

    def _run(self, command: list[str]) -> str:
        libraries = ":".join(str(self._folder / name) for name in self._facts["libraries"])
        environment = {"PATH": os.defpath, "LC_ALL": "C"} | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise PipelineError(
                f"The emulator fails on its first run (exit status {done.returncode}): "
                f"{' '.join(done.stderr.split())[-400:] or 'it said nothing'}"
            )
        return done.stdout


def host_qemu() -> str | None:
    """The path of a qemu-aarch64 on PATH that takes plugins; None where there is none."""
    found = shutil.which("qemu-aarch64")
    if found is None:
        return None
    done = subprocess.run([found, "-h"], capture_output=True, text=True, check=False)
    return found if "-plugin" in done.stdout else None
