"""A run of digits with float.tflite, prepared.tflite and int8.tflite, quantized after training, without TensorFlow."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe
from pipeline.workflow import origins, stages
from pipeline.workflow.run_folder import Run
from tests.quantization import networks

RECIPE: dict[str, Any] = {
    "name": "digits",
    "model": {},
    "data": {"source": "digits", "limit": 80, "calibration": 30, "preprocess": {"channels": 3, "scale": "-1..1"}},
    "quantize": {"calibration": "min_max", "equalize": False, "rounding": "nearest", "bias_correction": False},
}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    given = folder / "given.tflite"
    given.write_bytes(networks.stack(units=10, spread=0.5))
    context = stages.RunContext(recipe.parse(RECIPE), Run(folder / "digits"))
    origins.describe(context)
    stages.take_file(context, given)
    stages.formats(context, ("int8",))
    return folder / "digits"


@pytest.fixture
def run(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A test's own copy, the only run there is."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(written, tmp_path / "runs" / "digits")))
