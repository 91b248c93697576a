"""How results look on a terminal."""

from __future__ import annotations

import pytest

from pipeline.cli import show


def test_a_table_of_names_out_of_a_file_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(["name", "value"], [["\x1b]0;title\x07red", "1"]], title="\x1b[31mof a file")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"\x1b]0;title\x07red" in shown
