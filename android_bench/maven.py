"""Jars of Maven Central at the versions and checksums that artifacts.txt records, fetched by Maven itself."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "artifacts.txt"
CACHE = HERE / "build" / "maven"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_TIMEOUT_S = 900


class MissingError(Exception):
    """A tool or an artifact is not there; the message says what to do."""


def locked() -> dict[str, tuple[str, str]]:
    """Maven's coordinates and the SHA-256 of every recorded artifact, by its name (its second coordinate)."""
    lines = [line.split("#")[0].split() for line in LOCK.read_text(encoding="utf-8").splitlines()]
    return {line[1].split(":")[1]: (line[1], line[0]) for line in lines if line}


def fetch(name: str) -> Path:
    """The artifact's file, downloaded the first time.

    Raises:
        MissingError: Maven is not installed, it cannot download the artifact, or that is not the recorded one.
    """
    coordinates, digest = locked()[name]
    _, artifact, version, packaging = coordinates.split(":")
    path = CACHE / f"{artifact}-{version}.{packaging}"
    if not path.is_file() or _sha256(path) != digest:
        _download(coordinates)
        found = _sha256(path) if path.is_file() else "nothing"
        if found != digest:
            path.unlink(missing_ok=True)
            raise MissingError(
                f"{coordinates} is not what {LOCK.name} records: its SHA-256 is {found}, not {digest}. Do not use it: "
                "ask whoever runs your Maven mirror, or remove it from ~/.m2 and try again."
            )
    return path


def _download(coordinates: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingError("mvn is missing: apt-get install maven (it downloads what the app is built from).")
    command = [maven, "-q", "-B", _PLUGIN, f"-Dartifact={coordinates}", f"-DoutputDirectory={CACHE}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, cwd=HERE)
    except subprocess.TimeoutExpired:
        raise MissingError(f"{coordinates} did not come within {_TIMEOUT_S // 60} minutes. Try again.") from None
    if done.returncode:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
        raise MissingError(f"Maven cannot download {coordinates}: {why.strip()}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
