"""The adb program: where it is, and calls to it that always end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError, PipelineError

QUICK = 30.0
"""Seconds for calls that do next to nothing on the device."""


@dataclass(frozen=True)
class Done:
    """What a call to adb left."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """The standard output as text, with the line ends of any device."""
        return self.out.decode(errors="replace").replace("\r\n", "\n")


@dataclass(frozen=True)
class Adb:
    """The program; its server's address and the like come from the environment, as adb itself takes them."""

    path: Path

    def call(self, *arguments: str, timeout: float = QUICK) -> Done:
        """Run adb to its end.

        Args:
            arguments: Its command line.
            timeout: Seconds after which it is ended.

        Raises:
            PipelineError: it took longer, or it cannot be run at all.
        """
        try:
            done = subprocess.run(
                [str(self.path), *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout
            )
        except subprocess.TimeoutExpired as error:
            raise AdbTimeoutError(
                f"`adb {_shorten(arguments)}` did not end within {timeout:g} s and was stopped. Look at the phone's "
                "screen and cable; `adb kill-server` helps where adb itself hangs."
            ) from error
        except OSError as error:
            raise PipelineError(
                f"adb at '{self.path}' cannot be run: {error.strerror}. Install Android's platform-tools anew."
            ) from error
        return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


class AdbTimeoutError(PipelineError):
    """A call to adb took longer than it may."""


def find(environment: Mapping[str, str] = os.environ) -> Adb:
    """The adb on PATH, in `ANDROID_HOME` or `ANDROID_SDK_ROOT`, or the one the wheel `adbutils` brings along.

    Raises:
        InputError: there is none.
    """
    on_path = shutil.which("adb", path=environment.get("PATH"))
    if on_path is not None:
        return Adb(Path(on_path))
    candidates = [
        Path(environment[name]) / "platform-tools" / "adb"
        for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")
        if environment.get(name)
    ]
    wheel = importlib.util.find_spec("adbutils")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "binaries" / "adb")
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return Adb(candidate)
    raise InputError(
        "adb is not there: neither on PATH, nor in ANDROID_HOME/platform-tools, nor the wheel adbutils. Install one: "
        "`apt-get install adb`, Android Studio's platform-tools, or `pip install adbutils`."
    )


def _shorten(arguments: tuple[str, ...]) -> str:
    line = " ".join(arguments)
    return line if len(line) <= 80 else f"{line[:79]}…"
