"""The native runner against the stand-in, whose benchmark_model really runs the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.device.adb import AdbTimeoutError
from pipeline.device.binary import given
from pipeline.device.device import FOLDER, Device, DeviceFullError, DeviceLostError
from pipeline.device.facts import describe
from pipeline.device.golden_check import Golden, golden, split
from pipeline.device.native import NativeRunner
from pipeline.device.results import read
from pipeline.device.settings import Settings
from pipeline.errors import InputError, PipelineError
from pipeline.files import sha256
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.device.standin.standin import Faults, StandIn, write_program

QUICK = Settings(runs=12, min_secs=0, warmup_runs=2, warmup_min_secs=0, affinity="all")
PHONE = ("arm64-v8a",)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "it's an int8 model.tflite"
    weights = np.random.default_rng(0).uniform(-1, 1, (10, 300))
    path.write_bytes(tiny_models.linear(weights, dtype="int8"))
    return path


def runner(device: Device, folder: Path, dialect: str = "tflite", fault: str = "") -> NativeRunner:
    program = write_program(folder / "benchmark model", "benchmark_model", dialect, fault)
    return NativeRunner(device, describe(device), given(program, PHONE))


@pytest.fixture
def tflite(device: Device, tmp_path: Path) -> Iterator[NativeRunner]:
    with runner(device, tmp_path) as entered:
        yield entered


def left_on(standin: StandIn) -> list[Path]:
    return [path for path in standin.real("/data/local/tmp").rglob("*") if path.is_file()]


@pytest.mark.parametrize("dialect", ["tflite", "litert"])
def test_a_run_gives_a_whole_result(
    device: Device, standin: StandIn, tmp_path: Path, model: Path, dialect: str
) -> None:
    with runner(device, tmp_path, dialect) as entered:
        assert (entered.program.dialect, entered.program.has_result_file) == (dialect, True)
        result = entered.run(model, QUICK)
    assert (result.model.name, result.model.sha256) == (model.name, sha256(model))
    assert (result.delegate.asked, result.delegate.got, result.delegate.total_nodes) == ("xnnpack", "xnnpack", 1)
    latency = result.latency_us
    assert latency.min is not None
    assert latency.p50 is not None
    assert latency.p95 is not None
    assert latency.max is not None
    assert 0 <= latency.min <= latency.p50 <= latency.p95 <= latency.max
    assert (latency.p90, latency.p99, result.samples_us) == (None, None, ())
    assert result.init_us
    assert result.first_us is not None
    assert result.thermal.before.celsius == 33.4
    assert result.battery.after.percent == 85
    assert f"({dialect}) sha256" in result.runner_version
    assert read(result.model_dump_json(by_alias=True).encode(), "itself") == result
    assert left_on(standin) == []


def test_what_the_stand_in_measures_is_never_a_phones(tflite: NativeRunner, model: Path) -> None:
    result = tflite.run(model, QUICK)
    assert result.kind == "loopback-standin"
    assert not result.valid
    assert "not on a phone" in result.why_not_valid[0]


def test_the_settings_reach_the_program(device: Device, standin: StandIn, tmp_path: Path, model: Path) -> None:
    # A wrapper that writes its arguments down, as people put around benchmark_model.
    inner = write_program(tmp_path / "inner", "benchmark_model", "tflite")
    wrapper = tmp_path / "benchmark_model"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {standin.root}/etc/arguments\nexec {inner} "$@"\n')
    settings = replace(QUICK, threads=2, delegate="none", affinity="big", runs=17, max_secs=9)
    with NativeRunner(device, describe(device), given(wrapper, PHONE)) as entered:
        result = entered.run(model, settings)
    asked = (standin.root / "etc/arguments").read_text().splitlines()[-1]
    for flag in ("--num_threads=2", "--use_xnnpack=false", "--num_runs=17", "--max_secs=9", "--warmup_runs=2"):
        assert flag in asked
    assert (result.threads, result.delegate.got) == (2, "none")
    assert result.affinity == (None if len(result.device.cpu_cores) < 2 else result.affinity)


def test_big_cores_are_what_a_run_is_bound_to(tflite: NativeRunner, model: Path) -> None:
    result = tflite.run(model, replace(QUICK, affinity="big"))
    clocks = {core.id: core.max_khz or 0 for core in result.device.cpu_cores}
    if len(clocks) > 1:
        assert result.affinity is not None
        assert min(clocks, key=lambda core: clocks[core]) not in result.affinity
    assert tflite.run(model, QUICK).affinity is None


def test_outputs_are_compared_byte_for_byte(tflite: NativeRunner, model: Path) -> None:
    ours = golden(model)
    assert [len(content) for content in ours.outputs.values()] == [10]
    parity = tflite.parity(model, ours, QUICK)
    assert parity is not None
    assert (parity.golden, parity.identical, parity.differing_bytes) == (True, True, 0)


def test_any_inputs_can_be_answered_one_after_the_other(tflite: NativeRunner, model: Path) -> None:
    host = Runner(model)
    for value in (-128, 0, 127):
        x = np.full((1, 300), value, np.int8)
        (expected,) = host.run(x)
        assert tflite.answer(model, [x.tobytes()], [x.shape], QUICK) == expected.tobytes()


def test_a_model_of_several_inputs_is_compared_too(tflite: NativeRunner, tmp_path: Path) -> None:
    two = tmp_path / "two.tflite"
    two.write_bytes(tiny_models.sum_of_two(4, "int32"))
    parity = tflite.parity(two, golden(two), QUICK)
    assert parity is not None
    assert parity.identical


def test_a_byte_that_differs_is_counted(device: Device, tmp_path: Path, model: Path) -> None:
    with runner(device, tmp_path, fault="wrong") as entered:
        parity = entered.parity(model, golden(model), QUICK)
    assert parity is not None
    assert (parity.identical, parity.differing_bytes) == (False, 1)


def test_missing_and_surplus_bytes_differ() -> None:
    ours = Golden((), (), {"y": b"abcd"})
    assert ours.parity(b"abc").differing_bytes == 1
    assert ours.parity(b"xbcdef").differing_bytes == 3
    assert ours.parity(b"").differing_bytes == 4
    assert ours.parity(b"abcd").identical


def test_differing_bytes_are_told_by_output() -> None:
    ours = Golden((), (), {"boxes": b"abcd", "classes": b"xy"})
    assert ours.answer == b"abcdxy"
    assert ours.parity(b"abcdxy").differing_by_output == {"boxes": 0, "classes": 0}
    found = ours.parity(b"aXcdXX")
    assert (found.identical, found.differing_bytes) == (False, 3)
    assert found.differing_by_output == {"boxes": 1, "classes": 2}
    assert ours.parity(b"abcdx").differing_by_output == {"boxes": 0, "classes": 1}
    assert ours.parity(b"ab").differing_by_output == {"boxes": 2, "classes": 2}
    surplus = ours.parity(b"abcdxyz")
    assert (surplus.identical, surplus.differing_bytes) == (False, 1)


def test_outputs_are_taken_apart_by_shape_and_type() -> None:
    like = [np.int8([[1, 2]]), np.float32([3.5]), np.array([[True], [False]])]
    found = split(b"".join(array.tobytes() for array in like), like)
    for array, expected in zip(found, like, strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_litert_gives_no_outputs_to_compare(device: Device, tmp_path: Path, model: Path) -> None:
    with runner(device, tmp_path, "litert") as entered:
        assert entered.parity(model, golden(model), QUICK) is None
        with pytest.raises(InputError, match="cannot give a model's outputs"):
            entered.answer(model, [], [], QUICK)


def test_litert_cannot_go_without_a_delegate(device: Device, tmp_path: Path, model: Path) -> None:
    with runner(device, tmp_path, "litert") as entered, pytest.raises(InputError, match="always runs XNNPACK"):
        entered.run(model, replace(QUICK, delegate="none"))


def test_a_delegate_that_did_not_run_makes_a_result_invalid(tflite: NativeRunner, model: Path) -> None:
    result = tflite.run(model, replace(QUICK, delegate="gpu"))
    assert "gpu was asked for and xnnpack ran" in result.why_not_valid


def test_a_profile_is_what_the_program_writes(device: Device, tmp_path: Path, model: Path) -> None:
    with runner(device, tmp_path) as entered:
        assert entered.profile(model, QUICK).startswith(b"node type,")
    with runner(device, tmp_path, "litert") as entered:
        assert b"BENCHMARK RESULTS" in entered.profile(model, QUICK)


def test_few_runs_and_heat_make_a_result_doubtful(tflite: NativeRunner, standin: StandIn, model: Path) -> None:
    standin.write("etc/thermal", "Thermal Status: 3\n")
    reasons = tflite.run(model, replace(QUICK, runs=3)).why_not_valid
    assert any("thermal status 3" in reason for reason in reasons)
    assert any("only 3 inferences" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("killed", r"was killed on .* \(signal 9\), most often because the device ran out of memory"),
        ("garbage", "cut short or garbage"),
        ("cut", "cut short or garbage|no timed run"),
        ("disagree", "disagree"),
        ("truncated", "holds no timed run"),
        ("silent", "holds no timed run"),
        ("no file", "wrote no result file"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(
    device: Device, standin: StandIn, tmp_path: Path, model: Path, fault: str, reason: str
) -> None:
    with runner(device, tmp_path, fault=fault) as entered, pytest.raises(PipelineError, match=reason):
        entered.run(model, QUICK)
    assert left_on(standin) == []


def test_a_hanging_program_is_stopped_on_the_device(
    device: Device, standin: StandIn, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "timeout", 1)
    with (
        runner(device, tmp_path, fault="hang") as entered,
        pytest.raises(PipelineError, match="did not end in time") as stopped,
    ):
        entered.run(model, QUICK)
    assert not isinstance(stopped.value, AdbTimeoutError)
    assert left_on(standin) == []


def test_a_damaged_model_is_the_programs_own_words(tflite: NativeRunner, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    with pytest.raises(PipelineError, match=r"status 1\): Failed to load model"):
        tflite.run(damaged, QUICK)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/no/such/linker64\n", "cannot be run"),
        ("#!/bin/sh\necho 'CANNOT LINK EXECUTABLE: library \"libx.so\" not found' >&2; exit 1\n", "CANNOT LINK"),
        ("#!/bin/sh\necho usage: something else\n", "something else"),
    ],
)
def test_a_program_that_is_no_benchmark_model(
    device: Device, standin: StandIn, tmp_path: Path, script: str, reason: str
) -> None:
    program = tmp_path / "benchmark_model"
    program.write_text(script)
    with pytest.raises(PipelineError, match=reason), NativeRunner(device, describe(device), given(program, PHONE)):
        pytest.fail("must not be entered")
    assert left_on(standin) == []


def test_an_older_build_without_a_result_file_is_read_from_its_log(device: Device, tmp_path: Path, model: Path) -> None:
    inner = write_program(tmp_path / "inner", "benchmark_model", "tflite")
    old = tmp_path / "benchmark_model"
    old.write_text(f'#!/bin/sh\n{inner} "$@" 2>&1 | sed "/result_file_path/d"\n')
    with NativeRunner(device, describe(device), given(old, PHONE)) as entered:
        assert not entered.program.has_result_file
        result = entered.run(model, QUICK)
    assert result.latency_us.mean
    assert result.latency_us.p50 is not None


def test_a_cable_pulled_before_the_run(device: Device, standin: StandIn, tmp_path: Path, model: Path) -> None:
    with runner(device, tmp_path) as entered:
        standin.unplug()
        with pytest.raises(DeviceLostError):
            entered.run(model, QUICK)


def test_a_full_device(device: Device, standin: StandIn, tmp_path: Path) -> None:
    prepared = runner(device, tmp_path)
    standin.faults = Faults(free=10)
    with pytest.raises(DeviceFullError), prepared:
        pytest.fail("must not be entered")
    assert left_on(standin) == []
    assert not standin.real(FOLDER).exists()


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"runs": 0}, {"warmup_runs": -1}, {"min_secs": -1.0}], ids=str)
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="threads ≥ 1"):
        replace(QUICK, **wrong)
