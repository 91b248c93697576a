"""A connected device is a rung; the stand-in's is never called a phone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.device.device import Device
from pipeline.device.native import NativeRunner
from pipeline.errors import PipelineError
from pipeline.progress import quiet
from pipeline.tflite.runner import Runner
from pipeline.verification.phone_rung import phone_rung
from tests import tiny_models
from tests.device.conftest import adb, adb_server, connect, device, standin  # noqa: F401  # fixtures
from tests.device.standin.standin import write_program

X = np.random.default_rng(0).uniform(-10, 10, (3, 300)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "int8.tflite"
    path.write_bytes(tiny_models.linear(np.random.default_rng(0).uniform(-1, 1, (10, 300)), dtype="int8"))
    return path


def test_the_device_answers_as_the_host(device: Device, model: Path, tmp_path: Path) -> None:  # noqa: F811
    program = write_program(tmp_path / "benchmark_model", "benchmark_model", "tflite", "")
    with phone_rung(model, device.serial, program, 3, quiet) as rung:
        assert rung.name == "loopback-standin"
        assert rung.against == "xnnpack"
        found = rung({"x": X})
    host = Runner(model)
    expected = np.concatenate([host.run(host.inputs[0].quantize(x[None]))[0] for x in X])
    np.testing.assert_array_equal(found.stored["y"], expected)
    assert found.specs["y"].scale == host.outputs[0].scale


def two_of_each(dtype: str) -> bytes:
    """Two inputs; their sum, and which of the second input's values are above the first's, which is boolean."""
    graph = tiny_models.Graph()
    scale = None if dtype == "float32" else 0.5
    a, b, total = (graph.tensor(name, [1, 4], dtype, scale=scale, open_batch=True) for name in ("a", "b", "total"))
    above = graph.tensor("above", [1, 4], "bool", open_batch=True)
    graph.operator("ADD", [a, b], [total], "AddOptions")
    graph.operator("GREATER", [b, a], [above])
    return graph.build([a, b], [total, above])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_several_inputs_and_outputs_of_any_type(device: Device, tmp_path: Path, dtype: str) -> None:  # noqa: F811
    path = tmp_path / "two.tflite"
    path.write_bytes(two_of_each(dtype))
    rng = np.random.default_rng(0)
    inputs = {name: np.round(rng.uniform(-20, 20, (3, 4))) for name in ("b", "a")}
    program = write_program(tmp_path / "benchmark_model", "benchmark_model", "tflite", "")
    with phone_rung(path, device.serial, program, 3, quiet) as rung:
        found = rung(inputs)
    np.testing.assert_array_equal(found.real["total"], inputs["a"] + inputs["b"])
    assert found.stored["above"].dtype == bool
    np.testing.assert_array_equal(found.stored["above"], inputs["b"] > inputs["a"])


def test_an_answer_of_another_length_is_an_error(
    device: Device,  # noqa: F811
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = write_program(tmp_path / "benchmark_model", "benchmark_model", "tflite", "")
    with phone_rung(model, device.serial, program, 3, quiet) as rung:
        monkeypatch.setattr(NativeRunner, "answer", lambda *_: bytes(9))
        with pytest.raises(PipelineError, match="gave 9 bytes of outputs for a call, the model has 10"):
            rung({"x": X})
