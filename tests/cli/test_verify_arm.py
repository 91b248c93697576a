"""`pipeline verify --arm`: what it prints and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.verification.arm.sysroot import Sysroot
from tests.verification.arm import zoo
from tests.verification.arm.conftest import counting, sysroot  # noqa: F401  # fixtures

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `pipeline verify …` and answer its exit status."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "int8.tflite"
    path.write_bytes(zoo.int8_block("conv 1x1"))
    return path


def test_a_profile_is_shown_and_said_to_be_a_proxy(
    call: Call,
    model: Path,
    capsys: Captured,
    counting: Sysroot,  # noqa: F811
) -> None:
    assert call(model, "dotprod", "--arm") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "dotprod 0 of 6,144 2,048 0 0.01 M – neondot 5" in shown
    assert "a proxy for work and not latency" in shown


def test_json_has_the_counts_and_the_emulator(
    call: Call,
    model: Path,
    capsys: Captured,
    counting: Sysroot,  # noqa: F811
) -> None:
    assert call(model, "i8mm", "--arm", "--json") == 0
    [result] = json.loads(capsys.readouterr().out)
    assert result["identical"] is True
    assert result["counts"]["by_kind"]["smmla"] == 1024
    assert result["counts_are"].endswith("not latency")
    assert result["emulator"].endswith("-cpu max,sme=off")


def test_an_unknown_profile_is_a_wrong_call(call: Call, model: Path, capsys: Captured) -> None:
    assert call(model, "dotprot", "--arm") == 2
    assert "Did you mean 'dotprod'?" in capsys.readouterr().err


def test_a_float_file_is_a_wrong_call(call: Call, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(zoo.float_block("conv 1x1"))
    assert call(path, "--arm") == 2
    assert "nothing in int8 to prove" in " ".join(capsys.readouterr().err.split())


def test_a_host_that_cannot_emulate_fails(
    call: Call, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(model, "--arm") == 1
    assert "nothing was proven" in " ".join(capsys.readouterr().err.split())
