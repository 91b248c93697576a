"""`pipeline inspect`: the provenance it shows and the audit it ends with."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.tflite import metadata
from pipeline.workflow.run_folder import Run
from tests.cli.test_verify import Call, Captured, call  # noqa: F401  # a fixture
from tests.tflite.audit.bodies import Surgery
from tests.verification.digits_run import run, written  # noqa: F401  # fixtures

# ruff: noqa: F811


def test_it_shows_where_a_file_comes_from(call: Call, run: Run, capsys: Captured) -> None:
    assert call("inspect") == 0
    shown = capsys.readouterr().out
    facts = metadata.read(run.path("int8.tflite"))
    assert facts is not None
    for line in (
        "metadata: digits, classification, 10 labels",
        "preprocessing: (pixel − 127.5) / 127.5",
        f"recipe: sha256 {facts.provenance['recipe_sha256'][:16]}",
        f"data: sha256 {facts.provenance['data_sha256'][:16]}",
        "calibration: min-max",
        f"golden pair: 8 inputs, answers sha256 {facts.provenance['golden']['output_sha256'][:16]}",
        "written by: keras-int8-pipeline",
    ):
        assert line.replace("keras-int8-pipeline", "") in shown


def test_a_healthy_model(call: Call, run: Run, capsys: Captured) -> None:
    assert call("inspect", "--data", "--json") == 0
    content = json.loads(capsys.readouterr().out)["audit"]
    assert [finding for finding in content["findings"] if finding["severity"] == "error"] == []
    assert "saturation" in content["checked"]
    assert content["left_out"] == []


def test_an_error_is_status_1(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:
    sick = tmp_path / "sick.tflite"
    content, _ = metadata.take_out(run.path("int8.tflite").read_bytes())
    sick.write_bytes(Surgery(content).scale("dense/bias", 1.5).done())
    assert call("inspect", sick) == 1
    shown = capsys.readouterr().out
    assert "bias scale: In 1 layer " in shown
    assert "not checked: saturation" in shown


def test_data_need_a_recipe(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(run.path("int8.tflite").read_bytes())
    assert call("inspect", alone, "--data") == 2
    assert "--recipe RECIPE" in capsys.readouterr().err
