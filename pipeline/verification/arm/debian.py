"""Debian packages without root: a private apt that leaves the system's alone and downloads for other architectures.

The host's own sources, keys, proxy and credentials are used: its configuration is read first, and what must not be the
host's (states, caches, hooks) is laid over it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError

_CONFIGURATION = """
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Log "{folder}/log";
Debug::NoLocking "true";
APT::Architectures {{ "{host}"; "arm64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
// Hooks of the host are for the host's own packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
// Descriptions of desktop programs are not wanted, and large.
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-hidpi::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-large::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"""


def missing_tools() -> list[str]:
    """The programs of Debian that this needs and the host does not have."""
    return [tool for tool in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(tool) is None]


class Apt:
    """A private apt.

    Args:
        folder: Where its package lists and downloads are kept; without `"` in its path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        for name in ("lists/partial", "archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self.architecture = _run(["dpkg", "--print-architecture"]).strip()
        """The host's own, as Debian calls it."""
        self.complaint = ""
        """What the last update failed at; empty where all is well."""
        self._configuration = self._folder / "apt.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(folder=self._folder, host=self.architecture), encoding="utf-8"
        )

    def update(self) -> None:
        """Fetch the package lists of the host's sources.

        Sources that fail are passed over: others may have all that is wanted. Where they do not, errors tell of both.
        """
        self.complaint = _complaint(self._apt("update"))

    def has(self, package: str) -> bool:
        """Whether a package, such as `libc6:arm64`, can be downloaded."""
        return self._apt("download", "--print-uris", package).returncode == 0

    def fetch(self, packages: Sequence[str], into: Path) -> None:
        """Download packages, without what they depend on, and unpack them.

        Raises:
            PipelineError: one is in none of the host's sources, or its download failed.
        """
        downloads = self._folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir()
        done = self._apt("download", *packages, cwd=downloads)
        if done.returncode != 0:
            raise PipelineError(self._failure(packages, done))
        self._unpack(downloads, into)

    def fetch_for_host(self, package: str, into: Path) -> None:
        """Download a package of the host's architecture with all that it depends on and the host lacks; unpack it.

        A host whose packages do not fit together is not asked what it lacks: the package alone is fetched.

        Raises:
            PipelineError: it is in none of the host's sources, or a download failed.
        """
        archives = self._folder / "archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        done = self._apt("install", "--download-only", "--no-install-recommends", "--reinstall", "-y", package)
        if done.returncode != 0:
            self.fetch([package], into)
        self._unpack(archives, into)

    def _apt(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        # `-c` is read after the host's configuration, which APT_CONFIG is not.
        return subprocess.run(
            ["apt-get", "-q", "-c", str(self._configuration), *arguments],
            cwd=cwd or self._folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _failure(self, packages: Sequence[str], done: subprocess.CompletedProcess[str]) -> str:
        reasons = " ".join(part for part in (_complaint(done), self.complaint) if part)
        return (
            f"The Debian packages {', '.join(packages)} cannot be had from this host's apt sources: "
            f"{reasons or 'apt gave no reason'} Check the network and /etc/apt/sources.list; the sources must offer "
            "the architecture arm64 too."
        )

    @staticmethod
    def _unpack(packages: Path, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        for package in sorted(packages.glob("*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(into)])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PipelineError(f"`{' '.join(command)}` failed: {' '.join(done.stderr.split())[:400]}")
    return done.stdout


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
    lines.sort(key=lambda line: line.startswith("W:"))
    return " ".join(lines)[:600]
