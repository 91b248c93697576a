"""Which installer fetches the aarch64 wheels, and what a failure says."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError
from pipeline.verification.arm import wheels


def without_pip(monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    real = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == "pip" else real(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(shutil, "which", lambda name: found.get(name))


def tool(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_uv_is_used_where_the_environment_has_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pip(monkeypatch, uv=tool(tmp_path, "uv", f'echo "$@" > {tmp_path}/called'))
    wheels.install(["numpy==2.4.6"], "3.11", tmp_path / "site")
    called = (tmp_path / "called").read_text()
    assert called.startswith("pip install --python-platform aarch64-manylinux_2_28 --python-version 3.11")
    assert called.rstrip().endswith(f"--target {tmp_path / 'site'} numpy==2.4.6")


def test_nothing_to_install_with_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_pip(monkeypatch)
    assert wheels.missing_tools() == ["pip"]
    with pytest.raises(PipelineError, match="Neither pip nor uv"):
        wheels.install(["numpy"], "3.11", tmp_path)


def test_a_wheel_that_is_nowhere_says_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pip(monkeypatch, pip=tool(tmp_path, "pip", "echo No matching distribution >&2; exit 1"))
    with pytest.raises(PipelineError, match=r"nope==9 for Python 3\.11 cannot be had .* No matching distribution"):
        wheels.install(["nope==9"], "3.11", tmp_path / "site")


def test_this_environment_can() -> None:
    assert wheels.missing_tools() == [] or not importlib.util.find_spec("pip"), sys.executable
