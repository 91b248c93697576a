"""Bars that do not stand in the way of what is printed."""

from __future__ import annotations

import io
import sys

import pytest

from pipeline import progress


def test_what_is_printed_after_an_error_stands_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    items = iter(progress.bar(range(3), "working", 3))
    next(items)  # an exception would hold on to it here
    assert "working" in shown.getvalue()
    progress.clear()
    line = shown.getvalue().rpartition("\r")
    assert line[2] == ""
    assert set(shown.getvalue().split("\r")[-2]) == {" "}
    progress.clear()


def test_without_a_bar_there_is_nothing_to_clear() -> None:
    progress.clear()
