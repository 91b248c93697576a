"""A connected device is a rung; the stand-in's is never called a phone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.device.device import Device
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
        found = rung.run(X)
    host = Runner(model)
    expected = np.concatenate([host.run(host.inputs[0].quantize(x[None]))[0] for x in X])
    np.testing.assert_array_equal(found.stored, expected)
    assert found.spec is not None
    assert found.spec.scale == host.outputs[0].scale
