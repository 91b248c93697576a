"""Looking at models needs no TensorFlow: what is light stays light, module by module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.workflow.run_folder import Run
from tests import tiny_models

ROOT = Path(__file__).parents[1]
HEAVY = {"tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "tensorflow_datasets"}


def after(code: str, cwd: Path) -> tuple[set[str], str]:
    """The heavy modules that a process has imported when it ends, and what it printed."""
    watch = (
        f"import atexit, sys; atexit.register(lambda: print('HEAVY', *({HEAVY!r} & set(sys.modules)), file=sys.stderr))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{watch}\n{code}"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_RUNS": str(cwd / "runs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1].split()
    assert last[0] == "HEAVY"
    return set(last[1:]), done.stdout


@pytest.fixture
def digits_run(tmp_path: Path) -> Path:
    """A run of digits with float.tflite and int8.tflite (the same model), made without TensorFlow."""
    run = Run(tmp_path / "runs" / "digits")
    data = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"}}
    run.describe(recipe={"name": "digits", "model": {}, "data": data})
    for name in ("float", "int8"):
        run.path(f"{name}.tflite").write_bytes(tiny_models.digits())
    return tmp_path


def test_the_watch_sees_what_is_heavy(tmp_path: Path) -> None:
    assert after("sys.modules['tensorflow'] = sys", tmp_path)[0] == {"tensorflow"}


@pytest.mark.parametrize(
    "module",
    [
        "pipeline",
        "pipeline.cli",
        "pipeline.workflow.stages",
        "pipeline.workflow.export",
        "pipeline.data",
        "pipeline.tflite.inspect",
        "pipeline.tasks",
        "pipeline.evaluation.evaluator",
        "pipeline.workflow.measurement",
        "pipeline.benchmarking.latency",
        "pipeline.benchmarking.profile.explain",
        "pipeline.tflite.audit.audit",
        "pipeline.workflow.verification",
        "pipeline.quantization.formats",
        "pipeline.quantization.calibrate",
        "pipeline.quantization.learned",
        "pipeline.conversion.import_float",
        "pipeline.verification.arm.emulate",
    ],
)
def test_importing_it_imports_no_tensorflow(module: str, tmp_path: Path) -> None:
    assert after(f"import {module}", tmp_path)[0] == set()


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["inspect"], "verdict"),
        (["evaluate"], "float"),
        (["evaluate", "runs/digits/int8.tflite", "--reference", "runs/digits/float.tflite"], "agreement"),
        (["benchmark", "--runs", "3"], "host"),
        (["inspect", "--data"], "audit"),
        (["recipes", "show", "mobilenet"], "name"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_the_command_on_a_run_imports_no_tensorflow(arguments: list[str], key: str, digits_run: Path) -> None:
    code = f"sys.argv[1:] = {[*arguments, '--json']!r}\nfrom pipeline.cli import main\nmain()"
    heavy, shown = after(code, digits_run)
    assert heavy == set()
    assert key in json.loads(shown)


def test_exporting_a_flatbuffer_imports_no_tensorflow(digits_run: Path) -> None:
    arguments = ["export", "runs/digits/float.tflite", "--int8", "--recipe", "mobilenet", "--run", "new"]
    settings = ["--set", "data.preprocess={scale: 0..1}", "--set", "data.limit=40", "--set", "data.augment={}"]
    code = f"sys.argv[1:] = {[*arguments, *settings, '--json']!r}\nfrom pipeline.cli import main\nmain()"
    heavy, shown = after(code, digits_run)
    assert heavy == set()
    assert json.loads(shown)["int8"]["verdict"] == "full int8, per-channel"
