"""`pipeline ranges`: shown, compared, and refused where there is nothing to compare."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.quantization.ranges import Ranges


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pipeline", "ranges", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    Ranges({"conv": (0, 6), "dense": (-2, 2)}, "min-max").save(tmp_path / "ranges.json")
    Ranges({"conv": (0, 3), "dense": (-2, 2)}, "MSE").save(tmp_path / "other.json")
    return tmp_path / "ranges.json", tmp_path / "other.json"


def test_a_folder_stands_for_its_ranges(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, files[0].parent, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ranges"] == {"conv": [0, 6], "dense": [-2, 2]}


def test_what_differs_most_comes_first(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *files, "--top", 1) == 0
    shown = capsys.readouterr().out
    assert "first: min-max; second: MSE" in shown
    assert "0.50" in shown
    assert "dense" not in shown


def test_a_file_that_is_no_ranges_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text("[]")
    assert call(monkeypatch, tmp_path / "x.json") == 2
    assert "not a ranges file" in capsys.readouterr().err
