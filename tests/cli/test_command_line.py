"""The command line: exit statuses, one-paragraph errors, JSON, and light commands without TensorFlow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny_models

ROOT = Path(__file__).parents[2]


def pipeline(*arguments: object, cwd: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own that then says which heavy modules it imported."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('HEAVY', sorted({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)),"
        " file=sys.stderr))\n"
        f"{before}\n"
        "from pipeline.cli import main\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_RUNS": str(cwd / "runs")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def digits_model(tmp_path: Path) -> Path:
    """A float .tflite that takes digits, made without TensorFlow."""
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.digits())
    return path


@pytest.mark.parametrize("command", ["run", "train", "qat", "export", "inspect", "evaluate", "benchmark"])
def test_the_help_of_each_command_has_an_example(command: str, tmp_path: Path) -> None:
    shown = pipeline(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert f"Example: pipeline {command}" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "no_such_recipe"], "no recipe named"),
        (["run", "mobilenet", "--set", "train.epoch=3"], "Did you mean 'epochs'"),
        (["run", "resnet8_cifar10"], "data.path"),
        (["export"], "no run"),
        (["export", "no_such_model.keras", "--int8"], "no 'no_such_model.keras'"),
        (["inspect", "no_such.tflite"], "no_such.tflite"),
        (["benchmark", "no_such.tflite"], "no_such.tflite"),
        (["evaluate", "no_such.tflite", "--recipe", "mobilenet"], "no_such.tflite"),
    ],
)
def test_a_wrong_call_is_one_paragraph_and_status_2(arguments: list[str], reason: str, tmp_path: Path) -> None:
    failed = pipeline(*arguments, cwd=tmp_path)
    assert failed.returncode == 2
    assert reason in " ".join(failed.stderr.split())
    assert "Traceback" not in failed.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    failed = pipeline("run", "no_such_recipe", "--debug", cwd=tmp_path)
    assert failed.returncode == 2
    assert "Traceback" in failed.stderr


def test_ctrl_c_is_status_130(tmp_path: Path) -> None:
    interrupt = "import pipeline.recipe\ndef stop(*a, **k): raise KeyboardInterrupt\npipeline.recipe.load = stop"
    stopped = pipeline("run", "mobilenet", cwd=tmp_path, before=interrupt)
    assert stopped.returncode == 130
    assert "goes on from there" in " ".join(stopped.stderr.split())


def test_inspect_evaluate_and_benchmark_never_import_tensorflow(digits_model: Path, tmp_path: Path) -> None:
    data = ["--recipe", ROOT / "recipes" / "mobilenet.yaml", "--set", "data.preprocess={scale: 0..1}"]
    for arguments in (
        ["inspect", digits_model, "--json"],
        ["evaluate", digits_model, *data, "--json"],
        ["benchmark", digits_model, "--runs", 3, "--json"],
    ):
        done = pipeline(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "HEAVY []" in done.stderr
        assert isinstance(json.loads(done.stdout), dict)


def test_json_has_the_promised_names(digits_model: Path, tmp_path: Path) -> None:
    data = ["--recipe", ROOT / "recipes" / "mobilenet.yaml", "--set", "data.preprocess={scale: 0..1}"]
    inspected = json.loads(pipeline("inspect", digits_model, "--json", cwd=tmp_path).stdout)
    assert inspected.keys() >= {"verdict", "inputs", "outputs", "operators", "per_channel", "float_operators"}
    evaluated = json.loads(pipeline("evaluate", digits_model, *data, "--json", cwd=tmp_path).stdout)
    assert evaluated.keys() >= {"top1", "n", "agreement", "size_bytes"}
    timed = json.loads(pipeline("benchmark", digits_model, "--runs", 3, "--json", cwd=tmp_path).stdout)
    assert timed.keys() >= {"latency_p50_ms", "size_bytes", "threads", "host"}


def test_a_broken_promise_is_status_1(digits_model: Path, tmp_path: Path) -> None:
    failed = pipeline("inspect", digits_model, "--require", "int8", cwd=tmp_path)
    assert failed.returncode == 1
    assert "float32" in failed.stderr


def test_recipes_are_listed_shown_and_described(tmp_path: Path) -> None:
    assert "mobilenet" in pipeline("recipes", "list", cwd=tmp_path).stdout
    shown = json.loads(
        pipeline("recipes", "show", "mobilenet", "--set", "train.epochs=3", "--json", cwd=tmp_path).stdout
    )
    assert shown["train"]["epochs"] == 3
    assert "properties" in json.loads(pipeline("recipes", "schema", cwd=tmp_path).stdout)


@pytest.mark.parametrize("raised", [EOFError(), SystemExit(0), OverflowError("too large"), StopIteration()])
def test_nothing_ends_a_command_without_a_word(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typer makes `Aborted!` of an EOFError, and an exit of other people's code would look like success."""
    from pipeline import cli
    from pipeline.workflow import inspection_stage

    def end(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr(inspection_stage, "inspect_file", end)
    monkeypatch.setattr("sys.argv", ["pipeline", "inspect", "model.tflite"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr().err
    assert ended.value.code == 1
    assert f"Unexpected {type(raised).__name__}" in shown
    assert "Aborted" not in shown
