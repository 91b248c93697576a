"""`pipeline bundle`, called in this process: what it prints, and that it stays light."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.workflow.run_folder import Run
from tests import tiny_models
from tests.bundle.located_models import detector, of_points
from tests.bundle.models import classifier, described
from tests.test_light import after


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pipeline", "bundle", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "tiny.tflite").write_bytes(described(classifier("int8", ending="SOFTMAX")))
    return tmp_path / "tiny.tflite"


def test_help_has_an_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--help") == 0
    assert "Example: pipeline bundle" in " ".join(capsys.readouterr().out.split())


def test_it_says_what_was_packed(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(model.parent)
    assert call(monkeypatch, model) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("tiny.zip: ")
    assert "x / 127.5 - 1" in shown
    assert "after: nothing, it ends in softmax" in shown
    assert "3 examples of seeded noise, to be met byte for byte under XNNPACK" in shown


def test_json(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    target = model.parent / "my bundle.zip"
    assert call(monkeypatch, model, "-o", target, "--examples", 1, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bundle"] == str(target)
    assert told["golden"] == {"examples": 1, "from_data": False}
    assert told["contract"]["input"]["zero_point"] == -1
    assert "golden/0.input" in told["files"]


@pytest.mark.parametrize(
    "arguments", [["none.tflite"], ["{model}", "--package", "Not.One"], ["{model}", "--noise", "--recipe", "mobilenet"]]
)
def test_a_wrong_call_is_status_2(
    model: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(model.parent)
    assert call(monkeypatch, *(word.format(model=model) for word in arguments)) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("Error: ")
    assert not shown.out
    assert not list(model.parent.glob("*.zip"))


def test_it_imports_no_tensorflow(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "digits")
    data = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"}}
    run.describe(recipe={"name": "digits", "model": {}, "data": data})
    run.path("int8.tflite").write_bytes(tiny_models.digits())
    code = "sys.argv[1:] = ['bundle', '--json']\nfrom pipeline.cli import main\nmain()"
    heavy, shown = after(code, tmp_path)
    assert heavy == set()
    assert json.loads(shown)["bundle"] == "digits-int8.zip"


def test_it_says_what_is_found_in_the_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in {"boxes": detector("ssd", tmp_path), "points": of_points("heat maps")}.items():
        Path(f"{name}.tflite").write_bytes(content)
        assert call(monkeypatch, f"{name}.tflite", "--examples", 1) == 0
    shown = capsys.readouterr().out
    assert "found in the photo: boxes of 3 classes, decoded as ssd; score 0.6, overlap 0.5, at most 100\n" in shown
    assert "found in the photo: 5 points from heat maps\n" in shown
