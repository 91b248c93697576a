"""Messages are text whatever files are called, and printing them never fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import AS_ESCAPES, InputError, readable
from pipeline.files import write_text

NAME = os.fsdecode(b"caf\xe9.png")


def test_bytes_that_are_no_text_are_shown_as_escapes():
    assert readable(Path("a") / NAME) == r"a/caf\xe9.png"
    assert readable("café – 中文") == "café – 中文"
    assert readable("\ud800") == r"\ud800"
    assert "a–\U0001f600".encode("ascii", AS_ESCAPES) == rb"a\u2013\U0001f600"


def test_an_errors_message_is_text(tmp_path):
    assert str(InputError(f"There is no '{NAME}'.")) == r"There is no 'caf\xe9.png'."
    write_text(tmp_path / NAME, NAME)
    assert (tmp_path / NAME).read_text(encoding="utf-8") == r"caf\xe9.png"


@pytest.mark.parametrize("setting", ["LC_ALL=POSIX", "PYTHONIOENCODING=ascii", "PYTHONIOENCODING=utf-8"])
@pytest.mark.parametrize("command", [["inspect", NAME], ["evaluate", NAME], ["run", NAME], ["recipes", "list"]])
def test_the_command_line_prints_whatever_the_encoding(setting, command, tmp_path):
    ours = ("LC_", "LANG", "PYTHONIO")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *command],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])} | dict([setting.split("=")]),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert b"Unicode" not in said
    assert b"Traceback" not in said
    if NAME in command:
        assert done.returncode == 2
        assert rb"caf\xe9.png" in said
    else:
        assert b"mobilenet" in said
