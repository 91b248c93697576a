"""`pipeline verify`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.workflow.run_folder import Run
from tests.verification.digits_run import run, written  # noqa: F401  # fixtures

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `pipeline …` and answer its exit status."""

    def go(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return go


def test_the_table_of_a_run(call: Call, run: Run, capsys: Captured) -> None:  # noqa: F811
    assert call("verify") == 0
    shown = capsys.readouterr().out
    rows = [line.split()[0] for line in shown.splitlines() if ".tflite " in line and "%" in line]
    assert rows == ["float", "prepared", "reference", "builtin", "xnnpack"]
    assert "In all, xnnpack against float:" in shown
    assert "golden pair: 8 inputs give the bytes that were recorded" in shown


def test_json_is_what_the_run_keeps(call: Call, run: Run, capsys: Captured) -> None:  # noqa: F811
    assert call("verify", run.folder, "--json", "--examples", "10", "--threads", "1") == 0
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads(run.path("verify.json").read_text())
    assert [rung["n"] for rung in content["rungs"]] == [10] * 5
    assert content["kept"] is True
    assert content["rungs"][1]["above"]["identical"] is True
    assert {check["state"] for check in content["provenance"]} == {"ok"}


def test_a_broken_promise_is_status_1_and_one_sentence(call: Call, run: Run, capsys: Captured) -> None:  # noqa: F811
    settings = ["--set", "verify.rungs.reference.min_sqnr_db=99", "--set", "verify.rungs.xnnpack.max_lsb=255"]
    assert call("verify", *settings, "--json", "--examples", "20") == 1
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert len(content["broken"]) == 1
    assert "verify.rungs.reference.min_sqnr_db promises 99 dB" in content["broken"][0]
    assert " ".join(content["broken"][0].split()) in " ".join(shown.err.split())


def test_a_file_outside_of_a_run(call: Call, run: Run, tmp_path: Path, capsys: Captured) -> None:  # noqa: F811
    files = {name: tmp_path / f"my_{name}.tflite" for name in ("int8", "float")}
    for name, path in files.items():
        shutil.copy(run.path(f"{name}.tflite"), path)
    settings = ["--set", "data.preprocess={channels: 3, scale: -1..1}", "--set", "data.limit=30"]
    arguments = [files["int8"], "--reference", files["float"], "--recipe", "mobilenet", *settings]
    assert call("verify", *arguments) == 0
    assert "my_int8.tflite" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["FLOAT"], "computes in float"),
        (["none.tflite"], "no file none.tflite"),
        (["--split", "tset"], "tset"),
        (["--set", "verify.rungs.xnpack.max_lsb=1"], "xnpack"),
        (["--examples", "0"], "--examples"),
        (["--reference", "none.tflite"], "no file none.tflite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_call_is_status_2(
    call: Call,
    run: Run,  # noqa: F811
    arguments: list[str],
    said: str,
    capsys: Captured,
) -> None:
    assert call("verify", *(str(run.path("float.tflite")) if word == "FLOAT" else word for word in arguments)) == 2
    shown = capsys.readouterr()
    assert said in " ".join(shown.err.split())
    assert not shown.out
    assert not run.path("verify.json").exists()


def test_a_qat_runs_keras_models_are_rungs(call: Call, small_run: Run, capsys: Captured) -> None:
    assert call("verify", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    names = [rung["rung"] for rung in content["rungs"]]
    assert names == ["keras", "float", "keras_qat", "qat", "reference", "builtin", "xnnpack"]
    by_name = {rung["rung"]: rung for rung in content["rungs"]}
    assert by_name["float"]["above"]["sqnr_db"] > 80  # the conversion changes nothing
    assert by_name["qat"]["above"]["against"] == "keras_qat"
    assert by_name["xnnpack"]["overall"]["against"] == "float"


def test_its_help_has_examples(call: Call, capsys: Captured) -> None:
    assert call("verify", "--help") == 0
    assert "Example: pipeline verify" in " ".join(capsys.readouterr().out.split())
