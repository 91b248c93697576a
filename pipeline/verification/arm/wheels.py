"""Python packages of another architecture: the aarch64 wheels of what this process runs, from the host's own index."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def missing_tools() -> list[str]:
    """`pip` where neither this environment nor PATH has an installer."""
    return [] if _installer("3.11") else ["pip"]


def install(requirements: Sequence[str], python: str, into: Path) -> None:
    """Unpack aarch64 wheels into a folder, without what they depend on.

    Args:
        requirements: Such as `numpy==2.4.6`.
        python: The version that will import them, such as `3.11`.
        into: The folder; made where it is missing.

    Raises:
        PipelineError: there is no installer, no such wheel, or the download failed.
    """
    command = _installer(python)
    if command is None:
        raise PipelineError("Neither pip nor uv is here to fetch the aarch64 packages with: install one of them.")
    done = subprocess.run(
        [*command, "--quiet", "--no-deps", "--only-binary=:all:", "--target", str(into), *requirements],
        env={**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PipelineError(
            f"The aarch64 packages {', '.join(requirements)} for Python {python} cannot be had from this host's "
            f"package index: {' '.join(done.stderr.split())[-400:]} Check the network and pip's configuration."
        )


def _installer(python: str) -> list[str] | None:
    """The command of pip, of this environment or on PATH, or of uv, up to its target and requirements."""
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else None
    if pip is None and (uv := shutil.which("uv")):
        platform = ["--python-platform", "aarch64-manylinux_2_28", "--python-version", python]
        return [uv, "pip", "install", *platform]
    if pip is None and (found := shutil.which("pip3") or shutil.which("pip")):
        pip = [found]
    if pip is None:
        return None
    platforms = [part for name in _PLATFORMS for part in ("--platform", name)]
    version = ["--python-version", python, "--implementation", "cp"]
    return [*pip, "install", "--no-compile", "--disable-pip-version-check", *platforms, *version]
