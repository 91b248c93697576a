"""`pipeline sensitivity`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.quantization.ranges import Ranges
from pipeline.tflite.inspect import inspect
from pipeline.workflow.run_folder import Run
from tests.quantization.sensitivity import models

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]
DATA = {"source": "digits", "limit": 60, "calibration": 30, "preprocess": {"scale": "0..1"}}
RANGES = {"x": (0, 1), "flat": (0, 1), "hidden": (-8, 8), "scores": (-20, 20), "end": (0, 1)}


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
    made = Run(tmp_path / "runs" / "a run of digits")
    made.describe(recipe={"name": "digits", "model": {}, "data": DATA})
    made.path("prepared.tflite").write_bytes(models.digits())
    Ranges({name: (float(low), float(high)) for name, (low, high) in RANGES.items()}).save(made.path("ranges.json"))
    made.record("flatbuffers", "key", ["prepared.tflite", "ranges.json"], 0.0)
    return made


@pytest.fixture
def file(run: Run, tmp_path: Path) -> Path:
    """A float model in no run."""
    (tmp_path / "model.tflite").write_bytes(models.digits())
    return tmp_path / "model.tflite"


FROM = ["--recipe", "mobilenet", "--set", "data.preprocess={scale: 0..1}", "--set", "data.limit=60"]


def shown_operators(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip().startswith(("hidden", "scores", "end"))]


def test_the_table_of_the_newest_run_is_worst_first(call: Call, run: Run, capsys: Captured) -> None:
    assert call("sensitivity") == 0
    shown = capsys.readouterr()
    assert shown_operators(shown.out) == ["hidden", "scores", "end"]
    assert "each of 3 operators alone in int8, 30 examples" in shown.out
    assert "Traceback" not in shown.err


def test_top_shows_fewer_and_json_has_all(call: Call, run: Run, capsys: Captured) -> None:
    assert call("sensitivity", run.folder, "--top", 1, "--examples", 5) == 0
    shown = capsys.readouterr().out
    assert shown_operators(shown) == ["hidden"]
    assert "each of 3 operators alone in int8, 5 examples" in shown
    assert call("sensitivity", run.folder, "--top", 1, "--examples", 5, "--json") == 0
    content = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [entry["name"] for entry in content["operators"]] == ["hidden", "scores", "end"]
    assert content["examples"] == 5
    assert content["outputs"] == ["scores"]
    assert content["operators"][-1]["output_sqnr_db"] is None


@pytest.mark.parametrize("target", ["run", "file"])
def test_the_printed_advice_can_be_run_as_it_is(
    call: Call, run: Run, file: Path, target: str, capsys: Captured
) -> None:
    assert call("sensitivity", *([file, *FROM] if target == "file" else [])) == 0
    advice = capsys.readouterr().out.strip().splitlines()[-1]
    command = shlex.split(advice[advice.index("pipeline export") :])
    assert command[-1] == "hidden=float32"
    assert call(*command[1:], "--json") == 0
    written = inspect(Path(json.loads(capsys.readouterr().out)["int8"]["path"]))
    computed = {entry.output: entry.compute for entry in written.operators if entry.name == "FULLY_CONNECTED"}
    assert sorted(computed.values()) == ["float32", "int8"]
    assert computed["hidden"] == "float32"


def test_a_file_with_a_recipe(call: Call, file: Path, capsys: Captured) -> None:
    assert call("sensitivity", file, *FROM, "--json") == 0
    assert json.loads(capsys.readouterr().out)["operators"][0]["name"] == "hidden"


def test_a_plot_is_written_beside_the_table(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:
    assert call("sensitivity", "--plot", tmp_path / "noise.svg", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["operators"]
    assert "noise.svg" in shown.err
    assert (tmp_path / "noise.svg").read_bytes().startswith(b"<?xml")


def test_a_plot_of_another_kind_is_refused_before_anything_is_looked_at(
    call: Call, run: Run, tmp_path: Path, capsys: Captured
) -> None:
    assert call("sensitivity", "no such run", "--plot", tmp_path / "noise.txt") == 2
    shown = capsys.readouterr()
    assert ".png, .svg, .pdf" in shown.err
    assert not shown.out
    assert not (tmp_path / "noise.txt").exists()


def test_a_plot_that_cannot_be_written_is_status_1_and_the_table_is_there(
    call: Call, run: Run, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "noise.png").mkdir()
    assert call("sensitivity", "--plot", tmp_path / "noise.png") == 1
    shown = capsys.readouterr()
    assert shown_operators(shown.out)
    assert "noise.png" in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.tflite", "--recipe", "mobilenet"], "missing.tflite"),
        (["MODEL"], "--recipe"),
        (["--examples", "0"], "--examples"),
        (["--top", "0"], "--top"),
        (["--recipe", "mobilnet"], "mobilenet"),
        (["--set", "data.sauce=1"], "sauce"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_status_2_without_a_traceback(
    call: Call, file: Path, arguments: list[str], said: str, capsys: Captured
) -> None:
    assert call("sensitivity", *(str(file) if word == "MODEL" else word for word in arguments)) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert not shown.out
    assert "Traceback" not in shown.err


def test_its_help_has_examples(call: Call, capsys: Captured) -> None:
    assert call("sensitivity", "--help") == 0
    assert "Example: pipeline sensitivity" in " ".join(capsys.readouterr().out.split())


def test_a_run_of_qat_is_analyzed_by_the_ranges_it_learned(call: Call, small_run: Run, capsys: Captured) -> None:
    assert call("sensitivity", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    kinds = {entry["type"] for entry in content["operators"]}
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "FULLY_CONNECTED", "SOFTMAX"} <= kinds
    measured = [entry["output_sqnr_db"] for entry in content["operators"] if entry["type"] != "SOFTMAX"]
    assert all(10 < value < 80 for value in measured)
