"""Several models on one device: in turns, paired, compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.device.device_benchmark import measure, to_json
from pipeline.device.golden_check import Golden
from pipeline.device.results import Delegation, DeviceFacts, Latency, ModelFacts, Parity, RunResult
from pipeline.device.settings import Settings
from pipeline.errors import InputError, PipelineError
from tests import tiny_models


@dataclass
class Scripted:
    """A runner whose times are given: the n-th run of a model takes the n-th of its times."""

    times: dict[str, list[float]]
    order: list[str] = field(default_factory=list)
    reports_median: bool = True

    def run(self, model: Path, settings: Settings) -> RunResult:
        done = self.order.count(model.stem)
        self.order.append(model.stem)
        time = self.times[model.stem][done]
        return RunResult(
            run_id=str(len(self.order)),
            kind="native",
            model=ModelFacts(name=model.name, sha256="", size_bytes=1),
            device=DeviceFacts(),
            delegate=Delegation(asked="xnnpack", got="xnnpack"),
            threads=1,
            latency_us=Latency(p50=time if self.reports_median else None, mean=time + 1),
            valid=time < 1000,
            why_not_valid=() if time < 1000 else ("it was hot",),
            started="",
            runner_version="",
        )

    def parity(self, model: Path, golden: Golden, settings: Settings) -> Parity | None:
        return golden.parity(golden.answer)


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    for name in ("float", "int8"):
        (tmp_path / f"{name}.tflite").write_bytes(tiny_models.digits())
    return {name: tmp_path / f"{name}.tflite" for name in ("float", "int8")}


def test_models_take_turns_and_every_other_round_goes_backwards(models: dict[str, Path]) -> None:
    runner = Scripted({"float": [100] * 4, "int8": [50] * 4})
    measure(runner, models, Settings(), rounds=4, parity=False)
    assert runner.order == ["float", "int8", "int8", "float"] * 2


def test_a_drift_of_the_device_leaves_the_ratio(models: dict[str, Path]) -> None:
    slower = [100.0 * 1.1**turn for turn in range(8)]
    runner = Scripted({"float": slower, "int8": [time / 2 for time in slower]})
    float_, int8 = measure(runner, models, Settings(), rounds=8, parity=False)
    assert (float_.ratio_to_first, int8.ratio_to_first) == (1, 0.5)
    assert int8.ratio_interval == (0.5, 0.5)


def test_fewer_than_six_rounds_give_no_interval(models: dict[str, Path]) -> None:
    runner = Scripted({"float": [100] * 5, "int8": [50] * 5})
    assert measure(runner, models, Settings(), rounds=5, parity=False)[1].ratio_interval is None


def test_statistics_over_the_rounds_are_medians(models: dict[str, Path]) -> None:
    runner = Scripted({"float": [100, 300, 110]})
    (measured,) = measure(runner, {"float": models["float"]}, Settings(), rounds=3, parity=False)
    assert (measured.latency_us["p50"], measured.latency_us["p99"]) == (110, None)


def test_a_runner_that_knows_no_median_is_compared_by_its_mean(models: dict[str, Path]) -> None:
    runner = Scripted({"float": [99] * 6, "int8": [49] * 6}, reports_median=False)
    assert measure(runner, models, Settings(), rounds=6, parity=False)[1].ratio_to_first == 0.5


def test_one_doubtful_round_makes_a_model_doubtful(models: dict[str, Path]) -> None:
    runner = Scripted({"float": [100, 2000, 2000], "int8": [50] * 3})
    float_, int8 = measure(runner, models, Settings(), rounds=3, parity=False)
    assert (float_.valid, float_.why_not_valid) == (False, ["it was hot"])
    assert int8.valid


def test_outputs_are_compared_with_this_hosts(models: dict[str, Path]) -> None:
    measured = measure(Scripted({"float": [1], "int8": [1]}), models, Settings(), rounds=1)
    for entry in measured:
        assert entry.parity is not None
        assert entry.parity.identical
        assert entry.rounds[0].parity == entry.parity


def test_json_keeps_every_round(models: dict[str, Path]) -> None:
    measured = measure(Scripted({"float": [1, 2], "int8": [1, 2]}), models, Settings(), rounds=2)
    content = to_json({"R58": measured})["R58"]
    assert set(content) == {"float", "int8"}
    assert [entry["latency_us"]["p50"] for entry in content["int8"]["rounds"]] == [1, 2]
    assert content["int8"]["rounds"][0]["schema"] == 1


def test_nothing_to_measure(models: dict[str, Path]) -> None:
    for wrong in ({}, models):
        with pytest.raises(InputError):
            measure(Scripted({}), wrong, Settings(), rounds=0)


def test_a_model_that_is_none_is_found_before_any_run(tmp_path: Path) -> None:
    runner, path = Scripted({}), tmp_path / "x.tflite"
    path.write_bytes(b"hello")
    with pytest.raises(PipelineError):
        measure(runner, {"x": path}, Settings())
    assert runner.order == []
