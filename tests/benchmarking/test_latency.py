from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarking import latency
from pipeline.benchmarking.host import available_cores
from pipeline.benchmarking.inputs import random_inputs
from pipeline.benchmarking.latency import LatencyResult, benchmark
from pipeline.benchmarking.memory import peak_memory
from pipeline.errors import InputError
from pipeline.tflite.runner import Runner
from tests import tiny_models


class Clock:
    """Time that only passes where a call says so, in ns."""

    def __init__(self) -> None:
        self.now = 0
        self.order: list[str] = []

    def __call__(self) -> int:
        return self.now

    def call(self, name: str, durations: list[int]) -> Callable[[], None]:
        left = itertools.cycle(durations)

        def run() -> None:
            self.order.append(name)
            self.now += next(left)

        return run


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    weights = np.random.default_rng(0).uniform(-1, 1, (10, 300))
    contents = {
        "float": tiny_models.linear(weights, ending="SOFTMAX"),
        "int8": tiny_models.linear(weights, dtype="int8"),
        "two": tiny_models.sum_of_two(4, "int32"),
    }
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return [folder / f"{name}.tflite" for name in contents]


def result(samples_ms: tuple[float, ...]) -> LatencyResult:
    return LatencyResult(
        model=Path("m.tflite"),
        size_bytes=1,
        load_ms=1,
        first_inference_ms=1,
        samples_ms=samples_ms,
        inferences_per_sample=1,
        peak_memory_bytes=1,
        baseline_memory_bytes=1,
        ratio_to_first=1,
        ratio_interval=None,
        threads=1,
        xnnpack=True,
        delegated=1,
        notes=(),
    )


def test_models_take_turns() -> None:
    clock = Clock()
    calls = [clock.call("a", [1_000_000, 3_000_000]), clock.call("b", [500_000]), clock.call("c", [10])]
    samples = latency._interleave(calls, [1, 2, 1], range(3), clock)
    assert "".join(clock.order) == "abbcabbcabbc"
    assert samples[0] == [1.0, 3.0, 1.0]
    assert samples[1] == [0.5, 0.5, 0.5]
    assert samples[2] == pytest.approx([1e-5] * 3)


@pytest.mark.parametrize(("duration", "group"), [(1_000_000, 1), (50_000, 1), (49_999, 2), (1_000, 64), (0, 1024)])
def test_short_calls_are_timed_in_groups(duration: int, group: int) -> None:
    clock = Clock()
    assert latency._group(clock.call("a", [duration]), clock) == group


def test_percentiles_of_known_samples() -> None:
    found = result(tuple(float(value) for value in range(101))).to_json()
    assert found["latency_p50_ms"] == 50
    assert found["latency_p90_ms"] == 90
    assert found["latency_p99_ms"] == 99
    assert found["latency_mean_ms"] == 50
    assert found["latency_min_ms"] == 0
    assert found["runs"] == 101


def test_ratio_is_paired_by_round() -> None:
    # The machine slows down tenfold half-way; each round's ratio is 0.5 all the same.
    first = [1.0] * 10 + [10.0] * 10
    assert latency.paired_ratio([value / 2 for value in first], first) == (0.5, (0.5, 0.5))


def test_ratio_interval_is_the_sign_tests() -> None:
    times = [float(value) for value in range(1, 51)]
    ratio, interval = latency.paired_ratio(times, [1.0] * 50)
    assert ratio == 25.5
    assert interval == (18.0, 33.0)  # n = 50: the 18th value from either end
    assert 2 * sum(comb(50, heads) for heads in range(18)) / 2**50 <= 0.05
    assert 2 * sum(comb(50, heads) for heads in range(19)) / 2**50 > 0.05


def test_too_few_rounds_for_an_interval() -> None:
    assert latency.paired_ratio([1.0] * 5, [1.0] * 5)[1] is None
    assert latency.paired_ratio([1.0, 2, 3, 4, 5, 6], [1.0] * 6)[1] == (1.0, 6.0)


def test_results(models: list[Path]) -> None:
    found = benchmark(models, runs=7, warmup=1)
    assert [entry.model for entry in found] == models
    for entry in found:
        assert len(entry.samples_ms) == 7
        assert entry.size_bytes == entry.model.stat().st_size
        assert entry.latency_min_ms <= entry.percentile_ms(50) <= entry.percentile_ms(99)
        assert min(entry.load_ms, entry.first_inference_ms, entry.latency_min_ms) > 0
        assert entry.baseline_memory_bytes > 2**20
        assert entry.threads == 1
    assert found[0].ratio_to_first == 1
    assert found[0].ratio_interval == (1.0, 1.0)
    assert found[0].xnnpack
    assert found[0].delegated == 1
    assert not found[2].xnnpack
    assert found[2].notes == ("XNNPACK runs none of this model's operators.",)


def test_json(models: list[Path]) -> None:
    content = json.loads(json.dumps(benchmark(models[:1], runs=2, warmup=0, xnnpack=False)[0].to_json()))
    assert set(content) == {
        "model",
        "size_bytes",
        "latency_p50_ms",
        "latency_p90_ms",
        "latency_p99_ms",
        "latency_mean_ms",
        "latency_min_ms",
        "first_inference_ms",
        "load_ms",
        "peak_memory_bytes",
        "baseline_memory_bytes",
        "threads",
        "xnnpack",
        "delegated",
        "ratio_to_first",
        "ratio_interval",
        "runs",
        "inferences_per_sample",
        "notes",
    }
    assert (content["xnnpack"], content["delegated"], content["notes"]) == (False, 0, [])


def test_more_threads_than_cores_are_noted(models: list[Path]) -> None:
    threads = available_cores() + 1
    (found,) = benchmark(models[:1], runs=1, warmup=0, threads=threads)
    assert found.notes == (f"{threads} threads were asked for and there are {threads - 1} cores.",)


@pytest.mark.parametrize(("runs", "warmup", "threads"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_numbers_out_of_range(models: list[Path], runs: int, warmup: int, threads: int) -> None:
    with pytest.raises(InputError, match="runs ≥ 1"):
        benchmark(models, runs=runs, warmup=warmup, threads=threads)


def test_no_models() -> None:
    with pytest.raises(InputError, match="nothing to benchmark"):
        benchmark([])


def test_a_missing_file(models: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file .*none\.tflite"):
        benchmark([*models, tmp_path / "none.tflite"])


def test_a_corrupt_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(tiny_models.linear(np.eye(3))[:-8])
    with pytest.raises(InputError, match=r"cut\.tflite is truncated or corrupt") as caught:
        benchmark([path])
    assert "\n" not in str(caught.value)


def test_a_file_that_kills_the_runtime(tmp_path: Path) -> None:
    path = tmp_path / "deadly.tflite"
    path.write_bytes(tiny_models.sum_of_two(4, "int8", scale=None))
    with pytest.raises(InputError, match=r"deadly\.tflite kills the process that runs it \(SIGABRT\)"):
        benchmark([path])


def test_strings_cannot_be_timed(tmp_path: Path) -> None:
    path = tmp_path / "text.tflite"
    path.write_bytes(tiny_models.of_strings())
    with pytest.raises(InputError, match="'text' holds strings"):
        benchmark([path])


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16", "int32"])
def test_random_inputs_have_the_models_types_and_are_the_same_every_time(dtype: str) -> None:
    runner = Runner(tiny_models.sum_of_two(40, dtype), xnnpack=False)
    first, second = random_inputs(runner)
    assert first.shape == second.shape == (1, 40)
    assert first.dtype == second.dtype == np.dtype(dtype)
    assert len(np.unique(first)) > 1
    np.testing.assert_array_equal(first, random_inputs(runner)[0])


def test_memory_is_the_childs_own_and_not_its_parents(models: list[Path]) -> None:
    held = np.ones(150 * 2**20, np.uint8)
    assert peak_memory(None) < held.nbytes


def test_a_larger_model_takes_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.tflite"
    path.write_bytes(tiny_models.linear(np.ones((1000, 8000))))
    assert peak_memory(path) - peak_memory(None) > 32_000_000
