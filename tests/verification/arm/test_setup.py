"""A QEMU that takes no plugins still proves bytes, and says that it counts nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.verification.arm import setup
from pipeline.verification.arm.setup import SetUp, host_qemu
from pipeline.verification.arm.sysroot import Sysroot


def fake_qemu(folder: Path, script: str) -> Path:
    path = folder / "qemu-aarch64"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("options", "taken"), [("-plugin  QEMU_PLUGIN", True), ("-strace  QEMU_STRACE", False)], ids=["plugins", "none"]
)
def test_the_hosts_qemu_is_taken_where_it_takes_plugins(
    options: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake_qemu(tmp_path, f"echo '{options}'")
    monkeypatch.setattr(shutil, "which", lambda name: str(path) if name == "qemu-aarch64" else None)
    assert host_qemu() == (str(path) if taken else None)


def test_a_qemu_without_plugins_is_tried_again_without(
    sysroot: Sysroot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = ":".join(map(str, sysroot.libraries))
    script = f"""
case "$*" in *-plugin*) echo "no such option" >&2; exit 1;; esac
LD_LIBRARY_PATH={libraries} exec {sysroot.qemu} "$@"
"""
    made = SetUp.__new__(SetUp)
    made._folder, made._guest, made._site = tmp_path, sysroot.guest, sysroot.site
    made._facts = {
        "qemu": str(fake_qemu(tmp_path, script)),
        "libraries": [],
        "python": sysroot.python_version,
        "no_plugin": None,
    }
    monkeypatch.setattr(setup, "_FIRST_RUN", "import sys; print(sys.version)")
    made._try()
    assert made._facts["no_plugin"].startswith("this QEMU does not run the counting plugin: ")
    assert "no such option" in made._facts["no_plugin"]
