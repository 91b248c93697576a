"""What a command may be pointed at: a run, and a model in no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.workflow.run_folder import LABELS, Run
from tests import tiny_models

RECIPE = {"name": "digits", "model": {"name": "ResNet50"}, "data": {"source": "digits"}}


@pytest.fixture(name="runs", autouse=True)
def folder_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(name="run")
def run_with_models(runs: Path) -> Run:
    """A run with float and int8 models and labels, the only one."""
    made = Run(runs / "digits")
    made.describe(recipe=RECIPE)
    for name in ("float", "int8"):
        made.path(f"{name}.tflite").write_bytes(tiny_models.digits())
    made.path(LABELS).write_text("zero\none\n")
    return made


@pytest.fixture(name="file")
def model_in_no_run(tmp_path: Path) -> Path:
    """A model in no run."""
    (tmp_path / "m.tflite").write_bytes(tiny_models.digits())
    return tmp_path / "m.tflite"
