"""Compiling `counter.c`, the QEMU plugin that counts instructions, for one version of QEMU."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("counter.c")


def plugin_api(version: str) -> int:
    """The version of QEMU's plugin interface to compile for, from what `qemu-aarch64 --version` prints.

    Version 2 came with QEMU 9.0 and dropped version 1; version 3, of 9.1, changed a function that is used here.
    """
    match = re.search(r"version (\d+)\.(\d+)", version)
    number = (int(match[1]), int(match[2])) if match else (7, 2)
    return 1 if number < (9, 0) else 2 if number < (9, 1) else 3


def compile_plugin(into: Path, api: int, programs: Path) -> str | None:
    """Compile the plugin with a C compiler on PATH or, without one, the tiny one of the Debian package `tcc`.

    Args:
        into: The shared library to write.
        api: See `plugin_api`.
        programs: Where Debian packages of the host were unpacked, `tcc` perhaps among them.

    Returns:
        Why there is no plugin; None where it was compiled.
    """
    commands = [[found] for name in ("cc", "gcc", "clang") if (found := shutil.which(name))]
    tiny = programs / "usr/bin/tcc"
    if tiny.is_file():
        commands += [[str(tiny), f"-B{folder}"] for folder in sorted(programs.glob("usr/lib/*/tcc"))]
    reason = "there is no C compiler (cc, or the Debian package tcc) to compile the counting plugin with"
    for command in commands:
        options = ["-shared", "-fPIC", "-nostdlib", f"-DPLUGIN_API={api}", "-o", str(into), str(SOURCE)]
        done = subprocess.run([*command, "-O2", *options], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return None
        reason = f"{command[0]} does not compile the counting plugin: {' '.join(done.stderr.split())[:300]}"
    return reason
