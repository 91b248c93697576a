"""Messages are one line of text, whatever files are called and whatever other people's code raises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import AS_ESCAPES, InputError, PipelineError, as_input_error, readable
from pipeline.files import write_text

NAME = os.fsdecode(b"caf\xe9.png")


def test_bytes_that_are_no_text_are_shown_as_escapes():
    assert readable(Path("a") / NAME) == r"a/caf\xe9.png"
    assert readable("café – 中文") == "café – 中文"
    assert readable("+0.5 [-0.1\u00a0+1.3]\n") == "+0.5 [-0.1\u00a0+1.3]\n"
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


@pytest.mark.parametrize(
    "raised", [EOFError(), OverflowError("too\nlarge"), SystemExit(3), RecursionError(), KeyError(1)]
)
def test_whatever_is_raised_is_said_in_one_line(raised: BaseException) -> None:
    with pytest.raises(InputError) as caught, as_input_error(lambda why: f"'model.h5': {why}."):
        raise raised
    assert str(caught.value).startswith(f"'model.h5': {type(raised).__name__}")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(("most", "length"), [(300, 300), (None, 1001)])
def test_a_long_message_is_cut_unless_it_is_read(most: int | None, length: int) -> None:
    with pytest.raises(InputError) as caught, as_input_error(lambda why: why, most):
        raise ValueError("x " * 500 + "y")
    assert len(str(caught.value)) == len("ValueError: ") + length


@pytest.mark.parametrize("raised", [PipelineError("known"), InputError("known"), KeyboardInterrupt(), MemoryError()])
def test_what_is_known_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, as_input_error(lambda why: "never"):
        raise raised
    assert caught.value is raised


def test_a_module_that_ends_the_program_is_no_success(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from pipeline import importing

    (tmp_path / "ends_the_program.py").write_text("import sys; sys.exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="ends the program"):
        importing.module("ends_the_program")
    assert "ends_the_program" not in sys.modules
