"""`pipeline search`: what it prints, what it leaves in the run, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipeline import cli
from pipeline.workflow.run_folder import Run
from tests.quantization.search import models

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `pipeline …` and answer its exit status."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The only run: `hidden` is fatal in int8."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    return models.run(tmp_path / "runs" / "ruined")


def files(run: Run) -> set[str]:
    return {path.name for path in run.folder.iterdir()}


def test_the_model_the_report_and_the_rules(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:
    before = files(run)
    assert call("search", "--max-drop", 1, "--plot", tmp_path / "search.png") == 0
    shown = capsys.readouterr()
    assert "keeps 1 of 3 operators out of int8 (hidden)" in shown.out
    assert "On the test split, which took no part" in shown.out
    assert files(run) - before == {"search.tflite", "search.json"}
    assert (tmp_path / "search.png").is_file()
    assert json.loads(run.path("search.json").read_text())["max_drop"] == 1
    rules = yaml.safe_load(shown.out[shown.out.index("quantize:") :])["quantize"]["keep"]
    assert rules == [{"match": "hidden", "as": "float16"}]


def test_the_rules_give_the_same_model_by_hand(call: Call, run: Run) -> None:
    assert call("search", "--max-drop", 1, "--json") == 0
    assert call("export", run.folder, "--int8", "--keep", "hidden=float16") == 0
    found, by_hand = (run.path(name).read_bytes() for name in ("search.tflite", "int8.tflite"))
    assert found == by_hand


def test_json(call: Call, run: Run, capsys: Captured) -> None:
    assert call("search", run.folder, "--max-drop", 1, "--as", "float32", "--split", "test", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["keep"] == [{"match": "hidden", "as": "float32"}]
    assert content["split"] == "test"


def test_a_budget_that_nothing_keeps_to_is_status_1_and_leaves_no_model(call: Call, run: Run, capsys: Captured) -> None:
    assert call("search", "--max-drop", 0.1, "--sure") == 1
    shown = capsys.readouterr()
    assert "No model keeps to the budget of 0.1 points" in shown.err
    assert "all int8" in shown.out
    assert "search.tflite" not in files(run)
    assert "search.json" in files(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-drop", "-1"], "--max-drop"),
        (["--as", "float8"], "float16"),
        (["--as", "int8"], "--as takes"),
        (["--split", "tset"], "test"),
        (["--plot", "search.txt"], ".png"),
        (["no such folder"], "no run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_status_2_and_changes_nothing(
    call: Call, run: Run, arguments: list[str], said: str, capsys: Captured
) -> None:
    before = files(run)
    assert call("search", *arguments) == 2
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert "Traceback" not in shown.err
    assert files(run) == before
