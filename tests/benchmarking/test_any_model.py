"""Models of several inputs, of whole numbers, without a batch or of open size are timed like others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarking.latency import benchmark
from pipeline.benchmarking.profile.profiler import fixed
from pipeline.tflite.metadata import Metadata, write
from pipeline.tflite.runner import Runner
from tests import tiny_models

MODELS = {
    "joined": tiny_models.joined("int8"),
    "tokens": tiny_models.of_tokens(),
    "no batch": tiny_models.without_batch(),
    "open": write(tiny_models.open_sized(), Metadata("m", preprocessing={"shape": [9, 7, 3]})),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    for name, content in MODELS.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return [folder / f"{name}.tflite" for name in MODELS]


def test_they_are_timed_side_by_side(files: list[Path]) -> None:
    found = benchmark(files, runs=2, warmup=0)
    assert [result.model for result in found] == files
    assert all(result.latency_min_ms > 0 for result in found)
    assert all("open" not in note for result in found for note in result.notes)


def test_a_size_that_had_to_be_guessed_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "open.tflite"
    path.write_bytes(tiny_models.open_sized())
    assert "were taken as 1" in benchmark([path], runs=1, warmup=0)[0].notes[0]


def test_the_profiler_s_copy_has_fixed_shapes_and_inputs_in_the_graph_s_order() -> None:
    shapes = [(2, 9, 7, 3), (2, 9, 7, 2)]
    runner = Runner(fixed(tiny_models.open_sized(), shapes))
    assert [runner.inputs[0].shape, runner.outputs[0].shape] == shapes
    several = Runner(fixed(tiny_models.joined(), [(1, 3), (1, 2), (1, 4), (1, 1)]))
    left, right = np.ones((1, 3)), np.ones((1, 2))
    wanted = Runner(tiny_models.joined())({"left": left, "right": right}).real
    found = several({several.inputs[0].name: left, several.inputs[1].name: right}).real
    np.testing.assert_array_equal(found["value"], wanted["value"])
