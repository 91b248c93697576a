"""`pipeline explain`: what it prints, what it draws, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.workflow.run_folder import Run
from tests.cli.test_verify import Call, Captured, call  # noqa: F401  # a fixture
from tests.verification.digits_run import run, written  # noqa: F401  # fixtures

# ruff: noqa: F811


def test_the_table_of_a_run_stands_beside_its_float_model(call: Call, run: Run, capsys: Captured) -> None:
    assert call("explain", "--runs", "3", "--top", "2") == 0
    shown = capsys.readouterr().out
    assert "full int8, per-channel; its operators take" in shown
    assert "float µs" in shown
    assert "and 3 more operators" in shown
    assert "ARM, an estimate:" in shown


def test_json_has_all_operators(call: Call, run: Run, capsys: Captured) -> None:
    assert call("explain", run.folder, "--runs", "2", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["reference"] == str(run.path("float.tflite"))
    assert len(content["operators"]) == 5


def test_a_file_without_a_float_model(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(run.path("int8.tflite").read_bytes())
    assert call("explain", alone, "--runs", "2") == 0
    shown = capsys.readouterr().out
    assert "float µs" not in shown
    assert "give it with --reference" in shown


def test_it_draws(call: Call, run: Run, tmp_path: Path) -> None:
    assert call("explain", "--runs", "2", "--plot", tmp_path / "picture.svg") == 0
    assert (tmp_path / "picture.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["FLOAT"], "computes in float: it is float32"),
        (["none.tflite"], "no file none.tflite"),
        (["--reference", "none.tflite"], "no file none.tflite"),
        (["--plot", "picture.gif"], ".png, .svg, .pdf"),
        (["--runs", "0"], "--runs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_status_2(call: Call, run: Run, arguments: list[str], said: str, capsys: Captured) -> None:
    assert call("explain", *(str(run.path("float.tflite")) if word == "FLOAT" else word for word in arguments)) == 2
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert not shown.out


def test_its_help_has_examples(call: Call, capsys: Captured) -> None:
    assert call("explain", "--help") == 0
    assert "Example: pipeline explain" in " ".join(capsys.readouterr().out.split())
