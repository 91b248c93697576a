"""`pipeline push`, `pipeline devices` and `pipeline benchmark --device`, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.cli.show import size
from pipeline.device.device import FOLDER
from pipeline.device.results import read
from pipeline.files import sha256
from pipeline.workflow.run_folder import Run
from tests import tiny_models
from tests.device.conftest import Connect
from tests.device.standin.standin import StandIn, write_program

Call = Callable[..., int]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call `pipeline …` and answer its exit status."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with a float and an int8 model (the same one)."""
    run = Run(tmp_path / "runs" / "digits")
    run.describe(recipe={"name": "digits"})
    for name in ("float", "int8"):
        run.path(f"{name}.tflite").write_bytes(tiny_models.digits())
    return run


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_program(tmp_path / "benchmark_model", "benchmark_model", "tflite")


FAST = ("--runs", 10, "--min-secs", 0, "--warmup", 0)


@pytest.mark.parametrize("command", ["push", "devices", "devices clean", "benchmark"])
def test_every_help_has_an_example(call: Call, command: str, capsys: Captured) -> None:
    assert call(*command.split(), "--help") == 0
    assert f"Example: pipeline {command}" in " ".join(capsys.readouterr().out.split())


def test_push_alone_means_the_newest_runs_int8_model(call: Call, run: Run, standin: StandIn, capsys: Captured) -> None:
    assert call("push") == 0
    shown = capsys.readouterr().out
    path = f"{FOLDER}/digits-int8.tflite"
    assert f"{path} on {standin.serial}: {size(run.path('int8.tflite').stat().st_size)} pushed and verified" in shown
    assert standin.real(path).read_bytes() == run.path("int8.tflite").read_bytes()
    assert call("push", run.folder, "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["skipped"], entry["device"], entry["path"]) == (True, standin.serial, path)


def test_push_holds_a_model_to_what_is_asked(call: Call, run: Run, standin: StandIn, capsys: Captured) -> None:
    assert call("push", "--require", "int8") == 1
    assert "float32" in capsys.readouterr().err
    assert not standin.real(FOLDER).exists()


def test_devices_lists_and_cleans(call: Call, run: Run, standin: StandIn, capsys: Captured) -> None:
    assert call("push") == 0
    assert call("devices") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert standin.serial in shown
    assert "not on a phone" in shown
    assert call("devices", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["state"], entry["android"], entry["pushed"][0]["name"]) == ("device", "14", "digits-int8.tflite")
    assert call("devices", "clean") == 0
    assert "1 file removed" in capsys.readouterr().out
    assert not standin.real(FOLDER).exists()


def test_devices_shows_what_cannot_be_used(call: Call, tmp_path: Path, connect: Connect, capsys: Captured) -> None:
    with StandIn(tmp_path / "locked", authorized=False) as locked:
        connect(locked)
        assert call("devices") == 0
        assert "unauthorized" in capsys.readouterr().out
        assert call("push", "--serial", locked.serial) == 2


def test_without_a_device_there_is_nothing_to_list(call: Call, run: Run, adb: object, capsys: Captured) -> None:
    assert call("devices") == 0
    assert "no device" in capsys.readouterr().out
    assert call("push") == 2
    assert "adb sees no device" in " ".join(capsys.readouterr().err.split())


def test_a_run_is_benchmarked_and_compared(
    call: Call, run: Run, standin: StandIn, program: Path, tmp_path: Path, capsys: Captured
) -> None:
    output = tmp_path / "results.json"
    arguments = ("--device", standin.serial, "--benchmark-binary", program, *FAST)
    assert call("benchmark", *arguments, "--compare", "--output", output, "--profile", tmp_path / "profile.csv") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "kind: loopback-standin" in shown
    assert "not valid: measured on a loopback stand-in" in shown
    assert "int8: xnnpack asked for" in shown
    assert "outputs identical to this host's" in shown
    assert "int8 takes" in shown
    assert "95 % interval" in shown
    assert (tmp_path / "profile.csv").read_text().startswith("node type")
    content = json.loads(output.read_text())[standin.serial]
    assert set(content) == {"float", "int8"}
    assert [result["kind"] for result in content["int8"]["rounds"]] == ["loopback-standin"] * 6
    assert not standin.real(FOLDER).exists()


def test_a_benchmark_leaves_what_was_pushed(
    call: Call, run: Run, standin: StandIn, program: Path, capsys: Captured
) -> None:
    assert call("push") == 0
    arguments = ("--device", "--serial", standin.serial, "--benchmark-binary", program, *FAST, "--rounds", 1)
    assert call("benchmark", run.path("int8.tflite"), *arguments, "--no-parity", "--json") == 0
    shown = capsys.readouterr().out
    content = json.loads(shown[shown.index("{") :])
    assert content[standin.serial]["int8"]["parity"] is None
    assert [path.name for path in standin.real(FOLDER).rglob("*")] == ["digits-int8.tflite"]


def test_the_app_is_a_runner_too(call: Call, run: Run, standin: StandIn, tmp_path: Path, capsys: Captured) -> None:
    apk = tmp_path / "bench.apk"
    apk.write_bytes(b"PK")
    arguments = ("--device", "--runner", "app", "--apk", apk, *FAST, "--rounds", 1, "--no-parity", "--json")
    assert call("benchmark", run.path("int8.tflite"), *arguments) == 0
    (entry,) = json.loads(capsys.readouterr().out)[standin.serial].values()
    assert len(entry["rounds"][0]["samples_us"]) == 10
    assert entry["rounds"][0]["kind"] == "loopback-standin"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--runner", "apk"], "--runner does not know 'apk'. Did you mean 'app'"),
        (["--delegate", "nnapi"], "--delegate does not know 'nnapi'"),
        (["--affinity", "small"], "--affinity does not know 'small'"),
        (["--rounds", "5", "--compare"], "--compare takes two or more models"),
        (["--benchmark-binary", "none"], "no benchmark_model at 'none'"),
        (["--runner", "app", "--benchmark-binary", "x"], "go with --runner native"),
        (["--apk", "x"], "--apk goes with --runner app"),
        (["--serial", "nobody"], "adb sees no device 'nobody'"),
        (["none.tflite"], "There is no file none.tflite"),
        (["R58UNKNOWN"], "There is no file R58UNKNOWN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_is_status_2(
    call: Call, run: Run, standin: StandIn, arguments: list[str], reason: str, capsys: Captured
) -> None:
    assert call("benchmark", *arguments, "--device") == 2
    shown = capsys.readouterr()
    assert reason in " ".join(shown.err.split())
    assert not shown.out
    assert not standin.real(FOLDER).exists()


def test_on_this_host_it_compares_and_writes_the_same_schema(
    call: Call, run: Run, tmp_path: Path, capsys: Captured
) -> None:
    assert call("benchmark", "--runs", 8, "--compare", "--output", tmp_path / "host.json") == 0
    assert "int8 takes" in capsys.readouterr().out
    content = json.loads((tmp_path / "host.json").read_text())["host"]["int8"]
    (written,) = content["rounds"]
    result = read(json.dumps(written).encode(), "it")
    assert (result.kind, result.model.sha256, len(result.samples_us)) == ("host", sha256(run.path("int8.tflite")), 8)
    assert result.latency_us.p50 == content["latency_us"]["p50"]
    assert (result.valid, result.why_not_valid) == (False, ("only 8 inferences timed, at least 10 are needed",))


@pytest.mark.parametrize("module", ["adb", "devices", "push", "overview", "session", "results"])
def test_devices_need_no_tensorflow_and_pushing_no_litert(module: str) -> None:
    heavy = "{'tensorflow', 'keras', 'tf_keras'}" + (" | {'ai_edge_litert'}" if module != "session" else "")
    code = f"import sys, pipeline.device.{module}; sys.exit(bool(({heavy}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
