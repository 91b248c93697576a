"""One device: commands in its shell, files to and from it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pipeline.device.adb import QUICK, Adb, Done
from pipeline.errors import PipelineError

FOLDER = "/data/local/tmp/keras-int8-pipeline"
"""Where everything of this project lies on a device. The shell may write and run programs there; apps may read."""

_SLOWEST_BYTES_A_SECOND = 1_000_000
"""A transfer may take as long as over a poor wireless link."""


class DeviceLostError(PipelineError):
    """The device went away, or no longer answers."""


class DeviceFullError(PipelineError):
    """There is no room left on the device."""


@dataclass(frozen=True)
class Device:
    """A device that adb lists as ready."""

    adb: Adb
    serial: str

    def call(self, *arguments: str, timeout: float = QUICK) -> Done:
        """Run `adb -s SERIAL …`; see `Adb.call`."""
        return self.adb.call("-s", self.serial, *arguments, timeout=timeout)

    def features(self) -> frozenset[str]:
        """What adb and the device can both do, such as `shell_v2`.

        Raises:
            DeviceLostError: it does not answer.
        """
        done = self.call("features")
        if done.status != 0:
            raise self.lost(done)
        return frozenset(done.text.split())

    def shell(self, command: str, *, timeout: float = QUICK) -> Done:
        """Run a command in the device's shell; its exit status, output and errors are the device's.

        Args:
            command: One string for the shell there. Quote what comes from elsewhere with `words`.
            timeout: Seconds.

        Raises:
            DeviceLostError: the device went away.
            AdbTimeoutError: it took too long.
        """
        done = self.call("shell", "-T", "-n", command, timeout=timeout)
        # adb reports its own failures as statuses 1 and 255, which a command may also end with.
        own = done.err.startswith(("error: ", "adb: "))
        if done.status in (1, 255) and (own or not done.out) and self.state() != "device":
            raise self.lost(done)
        return done

    def must(self, command: str, what: str, *, timeout: float = QUICK) -> Done:
        """As `shell`, for what has to work.

        Args:
            command: For the shell there.
            what: What it does, for the message: "Making a folder".
            timeout: Seconds.

        Raises:
            PipelineError: it ended with another status than 0; DeviceFullError where that is why.
        """
        done = self.shell(command, timeout=timeout)
        if done.status != 0:
            raise self.failure(what, done)
        return done

    def send(self, file: Path, target: str) -> None:
        """Copy a file to that path with `adb push`; a file there before is overwritten, from its beginning on.

        Raises:
            DeviceFullError: there is no room.
            DeviceLostError: the device went away.
            PipelineError: it was refused.
        """
        timeout = QUICK + file.stat().st_size / _SLOWEST_BYTES_A_SECOND
        done = self.call("push", str(file), target, timeout=timeout)
        if done.status != 0:
            if self.state() != "device":
                raise self.lost(done)
            raise self.failure(f"Copying '{file}'", done)

    def fetch(self, path: str) -> bytes | None:
        """A file's content, read by the shell; None where there is no such file.

        Raises:
            DeviceLostError: the device went away.
            PipelineError: it cannot be read.
        """
        # `exec-out` brings no exit status, so whether there is a file is asked for first.
        if self.shell(f"test -f {shlex.quote(path)}").status != 0:
            return None
        done = self.call("exec-out", f"cat {shlex.quote(path)}", timeout=10 * QUICK)
        if done.status != 0:
            raise self.lost(done) if self.state() != "device" else self.failure(f"Reading '{path}'", done)
        return done.out

    def state(self) -> str:
        """adb's word for it: `device`, `offline`, `unauthorized`, or `not found`."""
        done = self.call("get-state")
        if done.status == 0:
            return done.text.strip()
        for word in ("unauthorized", "offline"):
            if word in done.err:
                return word
        return "not found"

    def lost(self, done: Done) -> DeviceLostError:
        """The error for a device that went away in the middle of something."""
        said = f" (adb: {_complaint(done)})" if done.err.strip() else ""
        return DeviceLostError(
            f"The device {self.serial} went away in the middle of the work: it is now {self.state()}{said}. Nothing "
            "unfinished was left under a final name; connect it again and repeat the command."
        )

    def failure(self, what: str, done: Done) -> PipelineError:
        """The error for a command that failed on a device that is still there."""
        said = _complaint(done) or f"exit status {done.status}"
        if "no space left" in said.lower():
            return DeviceFullError(
                f"{what} failed: there is no room left on the device {self.serial}. Free some (`pipeline devices "
                "clean` removes what was pushed before) and try again."
            )
        return PipelineError(f"{what} failed on the device {self.serial}: {said.rstrip('.')}.")


def words(*parts: str) -> str:
    """A command line for the device's shell from separate words, each quoted where it must be."""
    return shlex.join(parts)


def _complaint(done: Done) -> str:
    """The line that says what went wrong: adb also prints summaries, on either stream."""
    lines = [line.strip() for line in f"{done.text}\n{done.err}".splitlines() if line.strip()]
    lines = [line for line in lines if not re.search(r"\d+ files? pushed", line)]
    complaints = [line for line in lines if re.search("error|fail|denied|not found|no such", line, re.IGNORECASE)]
    line = (complaints or lines or [""])[-1]
    return line.removeprefix("adb: ").removeprefix("error: ")
