"""The counter compiles with what there is, or says why not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.verification.arm.guest import MARK_BEGIN, MARK_END
from pipeline.verification.arm.plugin import SOURCE, compile_plugin, plugin_api


@pytest.mark.parametrize(
    ("version", "api"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)", 1),
        ("qemu-aarch64 version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1)", 1),
        ("qemu-aarch64 version 9.0.0", 2),
        ("qemu-aarch64 version 9.1.0", 3),
        ("qemu-aarch64 version 10.0.3 (Debian 1:10.0.3+ds-0)", 3),
        ("something else", 1),
    ],
)
def test_each_qemu_gets_the_interface_it_has(version: str, api: int) -> None:
    assert plugin_api(version) == api


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on PATH")
@pytest.mark.parametrize("api", [1, 2, 3])
def test_it_compiles_for_every_interface(api: int, tmp_path: Path) -> None:
    assert compile_plugin(tmp_path / "counter.so", api, tmp_path) is None
    assert (tmp_path / "counter.so").read_bytes()[:4] == b"\x7fELF"


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = compile_plugin(tmp_path / "counter.so", 1, tmp_path)
    assert reason is not None
    assert "there is no C compiler" in reason


def test_a_compiler_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(shutil, "which", lambda name: str(compiler) if name == "cc" else None)
    reason = compile_plugin(tmp_path / "counter.so", 1, tmp_path)
    assert reason == f"{compiler} does not compile the counting plugin: no room"


def test_guest_and_counter_agree_on_the_marks() -> None:
    source = SOURCE.read_text()
    assert f"MARK_BEGIN = 0x{MARK_BEGIN:X}" in source
    assert f"MARK_END = 0x{MARK_END:X}" in source
