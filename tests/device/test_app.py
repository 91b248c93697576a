"""The app runner against the stand-in's app: start, wait, fetch, and every way it can fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.device.app import AppRunner
from pipeline.device.device import Device
from pipeline.device.facts import describe
from pipeline.device.golden_check import golden
from pipeline.device.settings import Settings
from pipeline.errors import InputError, PipelineError
from pipeline.files import sha256
from tests import tiny_models
from tests.device.standin.standin import StandIn

QUICK = Settings(runs=12, min_secs=0, warmup_runs=2)
RESULTS = "/data/data/dev.kerasint8.bench/files/results"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / 'it\'s "so" a model.tflite'
    weights = np.random.default_rng(0).uniform(-1, 1, (10, 300))
    path.write_bytes(tiny_models.linear(weights, dtype="int8"))
    return path


@pytest.fixture
def apk(tmp_path: Path) -> Path:
    path = tmp_path / "bench debug.apk"
    path.write_bytes(b"PK\3\4 an app")
    return path


@pytest.fixture
def app(device: Device, apk: Path) -> Iterator[AppRunner]:
    with AppRunner(device, describe(device), apk) as runner:
        yield runner


def test_the_app_is_installed_and_its_result_fetched(
    app: AppRunner, device: Device, standin: StandIn, model: Path
) -> None:
    result = app.run(model, QUICK)
    assert (result.model.name, result.model.sha256) == (model.name, sha256(model))
    assert len(result.samples_us) == 12
    assert result.latency_us.p99 is not None
    assert (result.kind, result.valid, result.device.serial) == ("loopback-standin", False, device.serial)
    assert list(standin.real(RESULTS).iterdir()) == []


def test_an_installed_app_needs_no_apk(app: AppRunner, device: Device, standin: StandIn, model: Path) -> None:
    with AppRunner(device, describe(device)) as again:
        assert again.run(model, QUICK).model.sha256 == sha256(model)
    assert not [path for path in standin.real("/data/local/tmp").rglob("*.tflite") if path.is_file()]


def test_the_app_compares_the_outputs(app: AppRunner, model: Path) -> None:
    parity = app.parity(model, golden(model), QUICK)
    assert parity is not None
    assert parity.identical
    other = replace(golden(model), outputs={"y": bytes(10)})
    parity = app.parity(model.rename(model.with_name("other.tflite")), other, QUICK)
    assert parity is not None
    assert not parity.identical


def test_several_inputs_and_outputs_are_compared_each_by_itself(app: AppRunner, tmp_path: Path) -> None:
    model = tmp_path / "joined.tflite"
    model.write_bytes(tiny_models.joined("int8"))
    ours = golden(model)
    assert (len(ours.inputs), list(ours.outputs)) == (2, ["scores", "value"])
    parity = app.parity(model, ours, QUICK)
    assert parity is not None
    assert (parity.identical, parity.differing_by_output) == (True, {"scores": 0, "value": 0})
    wrong = replace(ours, outputs={**ours.outputs, "value": bytes([ours.outputs["value"][0] ^ 1])})
    parity = app.parity(model.rename(tmp_path / "other.tflite"), wrong, QUICK)
    assert parity is not None
    assert (parity.differing_bytes, parity.differing_by_output) == (1, {"scores": 0, "value": 1})


def test_sizes_that_the_file_leaves_open_are_those_of_the_golden_input(app: AppRunner, tmp_path: Path) -> None:
    model = tmp_path / "open.tflite"
    model.write_bytes(tiny_models.open_sized())
    parity = app.parity(model, golden(model), QUICK)
    assert parity is not None
    assert parity.identical


def test_a_device_without_the_app_says_how_to_get_it(device: Device) -> None:
    with pytest.raises(InputError, match=r"make apk.*--apk FILE"), AppRunner(device, describe(device)):
        pytest.fail("must not be entered")


@pytest.mark.parametrize(("content", "reason"), [(b"no APK", "INSTALL_PARSE_FAILED"), (None, "no APK at")])
def test_an_apk_that_cannot_be_installed(device: Device, apk: Path, content: bytes | None, reason: str) -> None:
    if content is None:
        apk.unlink()
    else:
        apk.write_bytes(content)
    with pytest.raises(PipelineError, match=reason), AppRunner(device, describe(device), apk):
        pytest.fail("must not be entered")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("crash", r"ended on .* without a result.*FATAL EXCEPTION"),
        ("error", "failed on .*: the delegate refused"),
        ("garbage", "cut short or no JSON"),
        ("other id", "result of run 'another'"),
    ],
)
def test_what_goes_wrong_in_the_app_is_said(
    app: AppRunner, standin: StandIn, model: Path, fault: str, reason: str
) -> None:
    standin.write("etc/app-fault", fault)
    with pytest.raises(PipelineError, match=reason):
        app.run(model, QUICK)


def test_an_app_that_hangs_is_given_up_and_stopped(
    device: Device, standin: StandIn, apk: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "timeout", 1)
    standin.write("etc/app-fault", "hang")
    with (
        AppRunner(device, describe(device), apk) as app,
        pytest.raises(PipelineError, match=r"no result .* within 1 s"),
    ):
        app.run(model, QUICK)
    assert device.shell("pidof dev.kerasint8.bench").status != 0


def test_an_activity_that_is_not_there(app: AppRunner, standin: StandIn, model: Path) -> None:
    standin.real("/data/data/dev.kerasint8.bench").rename(standin.root / "uninstalled")
    with pytest.raises(PipelineError, match=r"Starting the benchmark app failed.*does not exist"):
        app.run(model, QUICK)
