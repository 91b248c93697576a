"""The commands, called in this process: what they print, and how they end (see test_command_line.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli, recipe
from pipeline.errors import InputError, PipelineError
from pipeline.workflow.run_folder import Run
from tests import tiny_models

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]
COMMANDS = [
    "run",
    "train",
    "qat",
    "export",
    "inspect",
    "evaluate",
    "benchmark",
    "sensitivity",
    "ranges",
    "search",
    "doctor",
]
SUBCOMMANDS = ["recipes list", "recipes show", "recipes schema"]


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
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .tflite of digits, in no run; there are no runs."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "no runs"))
    (tmp_path / "digits.tflite").write_bytes(tiny_models.digits())
    return tmp_path / "digits.tflite"


DATA = ["--recipe", "mobilenet", "--set", "data.preprocess={scale: 0..1}", "--set", "data.limit=30"]


@pytest.mark.parametrize("command", [*COMMANDS, *SUBCOMMANDS])
def test_every_help_has_an_example(call: Call, command: str, capsys: Captured) -> None:
    assert call(*command.split(), "--help") == 0
    assert f"Example: pipeline {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["no_such_command"],
        ["run"],
        ["run", "mobilenet", "--no-such-option"],
        ["benchmark", "--runs", "0"],
        ["benchmark", "--threads", "many"],
        ["evaluate", "--batch", "0"],
        ["recipes", "show", "mobilnet"],
        ["recipes", "show", "mobilenet", "--set", "train.epochs"],
        ["inspect"],
        ["inspect", "missing.tflite"],
        ["export"],
        ["run", "mobilenet", "--run", "x", "--set", "data.source=nothing"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_status_2_without_a_traceback(
    call: Call, model: Path, arguments: list[str], capsys: Captured
) -> None:
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.err
    assert not shown.out
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("The key is wrong."), 2, "Error: The key is wrong."),
        (PipelineError("It broke [here]."), 1, "Error: It broke [here]."),
        (KeyboardInterrupt(), 130, "goes on from there"),
        (MemoryError(), 1, "not enough memory"),
        (ZeroDivisionError("by nothing"), 1, "please report it"),
    ],
    ids=["input", "work", "ctrl-c", "memory", "mistake"],
)
@pytest.mark.parametrize("debug", [False, True])
def test_how_a_command_ends(
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    error: BaseException,
    status: int,
    said: str,
    debug: bool,
) -> None:
    def end(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(recipe, "load", end)
    assert call("recipes", "show", "mobilenet", *["--debug"] * debug) == status
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert ("Traceback" in shown.err) == debug
    assert not shown.out


def test_inspect_says_what_it_is_and_json_too(call: Call, model: Path, capsys: Captured) -> None:
    assert call("inspect", model) == 0
    assert f"{model}: float32" in capsys.readouterr().out.replace("\n", "")
    assert call("inspect", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["inputs"][0]["shape"] == [1, 8, 8, 1]


@pytest.mark.parametrize(("promise", "status"), [("float32", 0), ("int8", 1), ("int9", 2)])
def test_inspect_holds_a_file_to_a_promise(
    call: Call, model: Path, promise: str, status: int, capsys: Captured
) -> None:
    assert call("inspect", model, "--require", promise, "--json") == status
    shown = capsys.readouterr()
    assert json.loads(shown.out)["verdict"]
    assert ("Error: " in shown.err) == (status > 0)


@pytest.mark.parametrize("name", ["digits", "reference"])
def test_evaluate_json_of_one_model_is_its_block_whatever_its_name(
    call: Call, model: Path, name: str, capsys: Captured
) -> None:
    named = model.rename(model.with_stem(name))
    assert call("evaluate", named, *DATA, "--json") == 0
    block = json.loads(capsys.readouterr().out)
    assert 0 <= block["top1"] <= 1
    assert block["n"] == 30


def test_evaluate_against_a_reference(call: Call, model: Path, capsys: Captured) -> None:
    other = model.with_stem("other")
    other.write_bytes(model.read_bytes())
    assert call("evaluate", model, "--reference", other, *DATA, "--json") == 0
    assert json.loads(capsys.readouterr().out)["agreement"] == 1.0


def test_evaluate_shows_the_tasks_metrics_and_says_what_it_took(call: Call, model: Path, capsys: Captured) -> None:
    assert call("evaluate", model, *DATA) == 0
    shown = capsys.readouterr()
    assert "classification, since the output 'y' ends in no softmax or sigmoid" in " ".join(shown.err.split())
    assert {"top-1", "top-5"} <= set(shown.out.split())
    assert "30 examples of the test split" in " ".join(shown.out.split())
    assert "agreement" not in shown.out  # with nothing
    other = model.with_stem("other")
    other.write_bytes(model.read_bytes())
    assert call("evaluate", model, "--reference", other, *DATA) == 0
    shown = capsys.readouterr()
    assert {"top-1", "agreement", "reference"} <= set(shown.out.split())
    assert "vs reference in points" in shown.out


def test_evaluate_draws_pictures(call: Call, model: Path, tmp_path: Path, capsys: Captured) -> None:
    other = model.with_stem("other")
    other.write_bytes(model.read_bytes())
    assert call("evaluate", model, "--reference", other, *DATA, "--pictures", tmp_path / "drawn") == 0
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["confusion.png", "worst.png"]
    assert "worst.png" in capsys.readouterr().err


def test_evaluate_an_autoencoder(call: Call, model: Path, capsys: Captured) -> None:
    model.write_bytes(tiny_models.same_again(8, 8, 1))
    assert call("evaluate", model, *DATA, "--json") == 0
    assert json.loads(capsys.readouterr().out)["mse"] == 0
    assert call("evaluate", model, *DATA) == 0
    shown = capsys.readouterr()
    assert "reconstruction, since" in shown.err
    assert "squared" in shown.out


def test_evaluate_without_labels_is_fidelity_to_a_reference(call: Call, model: Path, capsys: Captured) -> None:
    other = model.with_stem("other")
    other.write_bytes(model.read_bytes())
    assert call("evaluate", model, *DATA, "--set", "task=fidelity") == 2
    assert "--reference FILE" in " ".join(capsys.readouterr().err.split())
    assert call("evaluate", model, "--reference", other, *DATA, "--set", "task=fidelity", "--json") == 0
    block = json.loads(capsys.readouterr().out)
    assert (block["agreement"], block["outputs"]["y"]["identical"]) == (1, True)
    assert "top1" not in block
    assert call("evaluate", model, "--reference", other, *DATA, "--set", "task=fidelity") == 0
    assert "SQNR" in capsys.readouterr().out


@pytest.mark.parametrize("task", ["clasification", "regression", "tests.none:Task"])
def test_evaluate_with_a_task_that_does_not_fit(call: Call, model: Path, task: str, capsys: Captured) -> None:
    assert call("evaluate", model, *DATA, "--set", f"task={task}") == 2
    shown = capsys.readouterr()
    assert "Error: " in shown.err
    assert not shown.out


@pytest.mark.parametrize("arguments", [["--split", "tset"], ["--reference", "missing.tflite"]], ids=" ".join)
def test_evaluate_names_what_is_wrong(call: Call, model: Path, arguments: list[str], capsys: Captured) -> None:
    assert call("evaluate", model, *DATA, *arguments) == 2
    assert arguments[1] in capsys.readouterr().err


def test_benchmark_json_of_several_models_is_a_block_each_and_the_host(
    call: Call, model: Path, capsys: Captured
) -> None:
    other = model.with_stem("other")
    other.write_bytes(model.read_bytes())
    assert call("benchmark", model, other, "--runs", 2, "--warmup", 0, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"digits", "other", "host"}
    assert shown["digits"].keys() >= {"latency_p50_ms", "size_bytes"}


def test_a_benchmarked_model_may_be_called_host(call: Call, model: Path, capsys: Captured) -> None:
    other = model.with_stem("host")
    other.write_bytes(model.read_bytes())
    assert call("benchmark", model, other, "--runs", 2, "--json") == 0
    timed = json.loads(capsys.readouterr().out)
    assert "latency_p50_ms" in timed[str(other)]
    assert "cpu" in timed["host"]


def test_recipes_list_names_every_recipe(call: Call, capsys: Captured) -> None:
    assert call("recipes", "list") == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == list(recipe.available())
    assert call("recipes", "list", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)) == set(recipe.available())


def test_a_shown_recipe_can_be_read_again(call: Call, tmp_path: Path, capsys: Captured) -> None:
    assert call("recipes", "show", "mobilenet", "--set", "train.epochs=3") == 0
    (tmp_path / "again.yaml").write_text(capsys.readouterr().out)
    assert recipe.load(str(tmp_path / "again.yaml")) == recipe.load("mobilenet", ["train.epochs=3"])


def test_the_schema_is_the_recipes(call: Call, capsys: Captured) -> None:
    assert call("recipes", "schema") == 0
    assert json.loads(capsys.readouterr().out) == recipe.Recipe.model_json_schema()


def test_run_prints_the_metrics_and_tells_its_progress_elsewhere(
    call: Call, small_run: Run, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "small.yaml").write_text(json.dumps(small_run.manifest["recipe"]))
    assert call("run", tmp_path / "small.yaml", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == small_run.metrics
    assert "as trained before" in shown.err
    assert call("run", tmp_path / "small.yaml") == 0
    assert "manifest.json" in capsys.readouterr().out


@pytest.mark.parametrize(("command", "file"), [("train", "float.keras"), ("qat", "qat.h5")])
def test_train_and_qat_print_the_file(
    call: Call, small_run: Run, tmp_path: Path, command: str, file: str, capsys: Captured
) -> None:
    (tmp_path / "small.yaml").write_text(json.dumps(small_run.manifest["recipe"]))
    assert call(command, tmp_path / "small.yaml") == 0
    assert capsys.readouterr().out.strip() == str(small_run.path(file))


def test_export_of_the_newest_run(call: Call, small_run: Run, capsys: Captured) -> None:
    assert call("export", "--int8", "--float16", "--dynamic", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert {name: block["path"] for name, block in shown.items()} == {
        name: str(small_run.path(f"{name}.tflite")) for name in ("int8", "dynamic", "float16")
    }
    assert shown["int8"]["verdict"] == "full int8, per-channel"
    assert call("export") == 0
    assert "int8.tflite" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["inspect", "evaluate", "benchmark"])
def test_the_newest_run_is_looked_at_by_default(call: Call, small_run: Run, command: str, capsys: Captured) -> None:
    assert call(command) == 0
    assert "int8" in capsys.readouterr().out
