"""The emulator and the aarch64 system it runs, kept in the cache: made once a LiteRT version, without root.

From Debian: QEMU in user mode with what it needs, and the C library and Python for arm64. From the package index: the
aarch64 wheels of the LiteRT and NumPy that are installed here. Some 60 MB to download.
"""

from __future__ import annotations

import fcntl
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.data.cache import cache_folder, filled
from pipeline.errors import PipelineError
from pipeline.files import write_text
from pipeline.progress import Track, quiet
from pipeline.verification.arm import debian, wheels
from pipeline.verification.arm.setup import CannotEmulateError, SetUp

LAYOUT = 1
"""Raise it when what is unpacked, or where, changes."""

MARKER = "complete.json"


@dataclass(frozen=True)
class Sysroot:
    """A complete set-up."""

    folder: Path
    qemu: Path
    qemu_version: str
    libraries: tuple[Path, ...]
    """Folders of libraries that QEMU needs and the host lacks."""
    python_version: str
    plugin: Path | None
    """The compiled counter; None where instructions cannot be counted."""
    no_plugin: str | None
    """Why not."""

    @property
    def guest(self) -> Path:
        return self.folder / "guest"

    @property
    def parts(self) -> tuple[Path, ...]:
        """The top folders of the aarch64 system."""
        return tuple(sorted(path for path in self.guest.iterdir() if path.is_dir()))

    @property
    def python(self) -> Path:
        return self.guest / f"usr/bin/python{self.python_version}"

    @property
    def python_home(self) -> Path:
        return self.guest / "usr"

    @property
    def site(self) -> Path:
        """The aarch64 packages."""
        return self.folder / "site"


def key() -> str:
    """What a set-up is made for: versions of LiteRT, NumPy and the host's system, in one name."""
    system = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    host = f"{system.get('ID', 'linux')}{system.get('VERSION_ID', '')}-{platform.machine()}"
    return f"{metadata.version('ai-edge-litert')}-numpy{metadata.version('numpy')}-{host}-{LAYOUT}"


def location() -> Path:
    """Where the set-up is or will be: `arm/` in the cache folder (`$PIPELINE_CACHE`)."""
    return cache_folder().resolve() / "arm" / key()


def missing() -> list[str]:
    """What this host lacks to make a set-up: a phrase each; empty where it can."""
    if sys.platform != "linux":
        return ["Linux: QEMU's user mode runs there only"]
    lacking = [f"{tool} (Debian, Ubuntu)" for tool in debian.missing_tools()]
    return lacking + [f"{tool}, to fetch the aarch64 packages" for tool in wheels.missing_tools()]


def ensure(track: Track = quiet, say: Callable[[str], None] = lambda message: None) -> Sysroot:
    """The set-up, made now if there is none or if it is damaged. One process makes it, others wait for it.

    Raises:
        CannotEmulateError: this host cannot; the message says what is missing.
        PipelineError: a download failed.
    """
    folder = location()
    if (found := load(folder)) is not None:
        return found
    if lacking := missing():
        raise CannotEmulateError(
            f"ARM cannot be emulated on this host, so nothing was proven. It lacks {'; '.join(lacking)}. Run it on "
            "Debian or Ubuntu, for example in a container, or verify on a phone."
        )
    with _locked(folder.with_name(f"{folder.name}.lock"), say):
        if (found := load(folder)) is not None:  # another process was faster
            return found
        if folder.exists():
            say("the ARM set-up is damaged or incomplete: making it again")
            shutil.rmtree(folder)
        for left in folder.parent.glob(f".{folder.name}-*"):  # of a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        say(f"setting up ARM emulation, once: about 60 MB from Debian and the package index, into {folder}")
        started = time.time()
        with filled(folder) as temporary:
            _mark(temporary, SetUp(temporary).make(track))
        found = load(folder)
        if found is None:
            raise PipelineError(f"The ARM set-up in {folder} is incomplete right after it was made. Is the disk full?")
        say(f"ARM emulation is set up, {time.time() - started:.0f} s: {found.qemu_version}")
        return found


def load(folder: Path) -> Sysroot | None:
    """The set-up in a folder; None where there is none, or where a file is missing or has another size."""
    try:
        content = limits.json_file(folder / MARKER)
        facts, files = content["facts"], content["files"]
        if any((folder / name).lstat().st_size != size for name, size in files.items()):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    qemu = Path(facts["qemu"])
    if qemu.is_absolute() and not qemu.is_file():  # the host's own was removed
        return None
    return Sysroot(
        folder=folder,
        qemu=folder / qemu,
        qemu_version=facts["qemu_version"],
        libraries=tuple(folder / name for name in facts["libraries"]),
        python_version=facts["python"],
        plugin=None if facts["no_plugin"] else folder / "counter.so",
        no_plugin=facts["no_plugin"],
    )


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is setting up ARM emulation: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mark(folder: Path, facts: dict[str, Any]) -> None:
    """Write down what a complete set-up holds: every file and link with its size."""
    files = {
        str(path.relative_to(folder)): path.lstat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
    write_text(folder / MARKER, json.dumps({"facts": facts, "files": files}, indent=0))
