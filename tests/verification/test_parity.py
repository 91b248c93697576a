"""The int8 model beside the simulation it was trained as: agreement, and where they diverge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.evaluation.evaluator import evaluate
from pipeline.quantization.weighted_operators import constant, layers
from pipeline.tasks import Task
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.verification.parity import Parity, compare
from pipeline.workflow.context import resolve_task
from pipeline.workflow.run_folder import Run
from tests import tiny_models
from tests.conftest import TINY
from tests.verification.echo import Fidelity


def test_a_runs_int8_model_answers_as_its_simulation(small_run: Run) -> None:
    data = load(recipe.parse(small_run.manifest["recipe"]).data)
    found = compared(small_run.path("qat.tflite"), small_run.path("int8.tflite"), data)
    assert found.n == data.size("test")
    assert found.agreement >= 0.9
    assert found.kept == (found.agreement >= 0.99)
    assert str(found).startswith("int8 agrees with the fake-quant model on ")
    assert small_run.metrics["int8"]["parity"]["agreement"] == found.agreement


def test_another_model_diverges_at_a_tensor_that_is_named(small_run: Run, tmp_path: Path) -> None:
    from pipeline.quantization.formats import write
    from pipeline.quantization.ranges import Ranges

    ranges = Ranges.load(small_run.path("ranges.json"))
    mirrored = {name: (-high, -low) if "dense" in name.lower() else (low, high) for name, (low, high) in ranges.items()}
    broken = tmp_path / "int8.tflite"
    broken.write_bytes(write(negated_head(small_run.path("prepared.tflite")), "int8", Ranges(mirrored)))
    data = load(recipe.parse(small_run.manifest["recipe"]).data)
    found = compared(small_run.path("qat.tflite"), broken, data)
    assert not found.kept
    assert found.first is not None
    assert found.first.operator == "FULLY_CONNECTED"
    assert found.first.tensor in str(found)
    assert found.steepest is not None
    near = Parity(found.n, found.agreement, None, found.steepest)
    assert f"beyond tolerance, most noise comes in at '{found.steepest.tensor}'" in str(near)


def compared(simulation: Path, int8: Path, data: Dataset, task: Task | None = None) -> Parity:
    files = {"qat": simulation, "int8": int8}
    task = task or resolve_task(recipe.parse(TINY), data, simulation).task
    return compare(files, evaluate(files, data.batches("test", 32), task, pairs=[("int8", "qat")]), data)


def test_agreement_is_the_tasks_and_needs_no_labels(tmp_path: Path) -> None:
    """A model beside itself, and beside one that answers 3 % more: below what is promised."""
    simulation, louder = tmp_path / "qat.tflite", tmp_path / "louder.tflite"
    simulation.write_bytes(tiny_models.digits())
    section = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"}}
    data = load(recipe.parse({"name": "digits", "model": {}, "data": section}).data)
    same = compared(simulation, simulation, data, Fidelity())
    assert (same.agreement, same.kept, same.first, same.n) == (1, True, None, data.size("test"))

    model = flatbuffer.read(tiny_models.digits())
    layer = layers(model)[-1]
    Editor(model).fill(layer.weights, np.float32(1.03) * constant(model, layer.weights))
    louder.write_bytes(flatbuffer.serialize(model))
    found = compared(simulation, louder, data, Fidelity())
    assert found.agreement == pytest.approx(0.97, abs=1e-4)
    assert not found.kept
    assert found.steepest is not None
    assert f"agrees with the fake-quant model on 97.0 % of {found.n} examples, less than 99 %" in str(found)
    # The classes are the same.
    assert compared(simulation, louder, data).agreement == 1


@pytest.mark.parametrize(("agreement", "kept"), [(0.99, True), (0.9899, False)])
def test_what_is_promised_is_just_kept(agreement: float, kept: bool) -> None:
    assert Parity(100, agreement, None).kept is kept
    assert Parity(100, agreement, None).to_json()["kept"] is kept


def negated_head(prepared: Path) -> bytes:
    """The model with its last layer's weights negated."""
    model = flatbuffer.read(prepared)
    last = layers(model)[-1]
    Editor(model).fill(last.weights, -constant(model, last.weights))
    return flatbuffer.serialize(model)
