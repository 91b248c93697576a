"""Compile and test Java with the JDK that is here and JUnit from Maven Central."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from android_bench.maven import MissingError, fetch

TIMEOUT_S = 300
_SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""For a JVM that runs for a second, the optimizing compiler costs more than it gives."""


def jar(name: str) -> Path:
    """A recorded artifact; the test is skipped where it cannot be had."""
    try:
        return fetch(name)
    except MissingError as missing:
        pytest.skip(str(missing))


def need(*tools: str) -> None:
    """Skip the test where a tool is not installed."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent:
        pytest.skip(f"{' and '.join(absent)} not installed")


def javac(sources: Sequence[Path], classes: Path, libraries: Sequence[Path] = (), release: int = 8) -> None:
    """Compile; a warning is an error."""
    done = subprocess.run(
        [
            *(
                "javac",
                *(f"-J{flag}" for flag in _SHORT_LIVED),
                "-Xlint:all,-options",
                "-Werror",
                "--release",
                str(release),
                "-encoding",
                "UTF-8",
            ),
            *("-cp", class_path(*libraries), "-d", str(classes), *map(str, sources)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr


def junit(classes: Sequence[Path], tests: Sequence[str], cwd: Path | None = None) -> int:
    """Run JUnit 4 test classes.

    Returns:
        How many tests passed; all of them did.
    """
    junit_jars = [jar("junit"), jar("hamcrest-core")]
    done = subprocess.run(
        ["java", *_SHORT_LIVED, "-cp", class_path(*classes, *junit_jars), "org.junit.runner.JUnitCore", *tests],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        cwd=cwd,
    )
    found = re.search(r"OK \((\d+) tests?\)", done.stdout)
    assert found, done.stdout[-8000:] + done.stderr[-2000:]
    return int(found[1])


def java(classes: Sequence[Path], name: str, *arguments: str) -> str:
    """What a main class prints on stdout; it must end well."""
    done = subprocess.run(
        ["java", *_SHORT_LIVED, "-cp", class_path(*classes), name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stderr)
    return done.stdout


def class_path(*entries: Path) -> str:
    return os.pathsep.join(map(str, entries))
