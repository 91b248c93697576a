"""`pipeline verify` on models that are no image classifiers: what the table shows, and where the loss is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import cli
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from tests.tiny_models import Graph

Captured = pytest.CaptureFixture[str]
RNG = np.random.default_rng(0)
LEFT, RIGHT = (RNG.normal(0, 1, (200, 6)).astype(np.float32) for _ in range(2))
WEIGHTS = RNG.normal(0, 1, (1, 12)).astype(np.float32)
VALUE = (np.concatenate([LEFT, RIGHT], axis=1) @ WEIGHTS.T + RNG.normal(0, 0.3, (200, 1))).astype(np.float32)


def two_of_each() -> bytes:
    """left, right [?, 6] → value [?, 1], which is to be the target, and both [?, 12], of which nothing is known."""
    graph = Graph()
    left, right = (graph.tensor(name, [1, 6], open_batch=True) for name in ("left", "right"))
    both, value = graph.tensor("both", [1, 12], open_batch=True), graph.tensor("value", [1, 1], open_batch=True)
    graph.operator("CONCATENATION", [left, right], [both], "ConcatenationOptions", axis=1)
    weights, bias = graph.tensor("w", [1, 12], data=WEIGHTS), graph.tensor("b", [1], data=np.zeros(1))
    graph.operator("FULLY_CONNECTED", [both, weights, bias], [value], "FullyConnectedOptions")
    return graph.build([left, right], [value, both])


@dataclass
class Files:
    folder: Path
    ranges: Ranges

    def int8(self, **narrower: tuple[float, float]) -> Path:
        path = self.folder / "int8.tflite"
        path.write_bytes(write(two_of_each(), "int8", Ranges(dict(self.ranges) | narrower)))
        return path

    @property
    def arguments(self) -> list[str]:
        return ["--reference", str(self.folder / "float.tflite"), "--recipe", str(self.folder / "recipe.yaml")]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "float.tflite").write_bytes(two_of_each())
    ranges = calibrate(two_of_each(), [{"left": LEFT, "right": RIGHT}])
    np.savez(tmp_path / "data.npz", left=LEFT, right=RIGHT, amount=VALUE)
    recipe: dict[str, Any] = {
        "name": "two",
        "task": {"outputs": {"value": {"name": "regression", "metric": "rmse"}}},
        "model": {},
        "data": {
            "source": "npz",
            "path": str(tmp_path / "data.npz"),
            "inputs": {"left": {"from": "left"}, "right": {"from": "right"}},
            "targets": {"amount": {"from": "amount"}},
        },
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return Files(tmp_path, ranges)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call `pipeline verify …` and answer its exit status."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["pipeline", "verify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


def test_a_regression_of_two_inputs_and_outputs(call: Callable[..., int], files: Files, capsys: Captured) -> None:
    assert call(files.int8(), *files.arguments) == 0
    shown = capsys.readouterr().out
    table = [line.split() for line in shown.splitlines() if ".tflite " in line]
    assert [row[0] for row in table if row[0] in ("float", "reference", "builtin", "xnnpack")] == [
        *("float", "reference", "builtin", "xnnpack")
    ]
    assert "value RMSE vs above agreement LSB SQNR" in " ".join(shown.split())
    assert "The other metrics, float and xnnpack: value R² 0.99" in shown
    assert "Its outputs: 'value' " in shown
    assert "No rung loses value RMSE beyond chance." in shown


def test_the_json_has_the_metrics_and_every_output(call: Callable[..., int], files: Files, capsys: Captured) -> None:
    assert call(files.int8(), *files.arguments, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    last = content["rungs"][-1]
    assert {"value.rmse", "value.rmse_interval"} <= set(last)
    assert set(last["overall"]["outputs"]) == {"value", "both"}
    assert 0.2 < last["value.rmse"] < 0.5
    assert content["lost"] is None


def test_the_rung_and_the_activation_at_which_it_is_lost(
    call: Callable[..., int], files: Files, capsys: Captured
) -> None:
    """The range of `value` is a tenth of what it takes."""
    low, high = files.ranges["value"]
    settings = ["--set", "verify.max_drop=0.5"]
    assert call(files.int8(value=(low / 10, high / 10)), *files.arguments, *settings) == 1
    shown = capsys.readouterr()
    assert "Lost at reference (int8 on TFLite's reference kernels): +" in shown.out
    assert re.search(
        r"the first to diverge beyond 20 dB: operator \d FULLY_CONNECTED 'value'", " ".join(shown.out.split())
    )
    assert "worse in value RMSE than float" in " ".join(shown.err.split())


def test_without_labels_only_the_models_are_compared(call: Callable[..., int], files: Files, capsys: Captured) -> None:
    settings = ["--set", "task=fidelity", "--set", "data.targets={}"]
    assert call(files.int8(), *files.arguments, *settings) == 0
    shown = capsys.readouterr().out
    assert "RMSE" not in shown
    assert "The widest step is reference" in shown
    assert call(files.int8(), *files.arguments, *settings, "--set", "verify.max_drop=1") == 2
    assert "the task 'fidelity' has none" in " ".join(capsys.readouterr().err.split())


def test_an_input_that_the_data_calls_otherwise(call: Callable[..., int], files: Files, capsys: Captured) -> None:
    inputs = "data.inputs={left: {from: left}, rihgt: {from: right}}"
    assert call(files.int8(), *files.arguments, "--set", inputs) == 2
    assert "no input 'rihgt'; it has 'left', 'right'. Did you mean 'right'?" in " ".join(
        capsys.readouterr().err.split()
    )
