"""The int8 model beside the simulation it was trained as: agreement, and where they part."""

from __future__ import annotations

from pathlib import Path

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.evaluation.evaluator import evaluate
from pipeline.quantization.weighted_operators import constant, layers
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.verification.parity import Parity, compare
from pipeline.workflow.measurement import task_for
from pipeline.workflow.run_folder import Run
from tests.conftest import TINY


def test_a_runs_int8_model_answers_as_its_simulation(small_run: Run) -> None:
    data = load(recipe.parse(small_run.manifest["recipe"]).data)
    found = compared(small_run.path("qat.tflite"), small_run.path("int8.tflite"), data)
    assert found.n == data.size("test")
    assert found.agreement >= 0.9
    assert found.kept == (found.agreement >= 0.99)
    assert str(found).startswith("int8 against the fake-quant model")
    assert small_run.metrics["int8"]["parity"]["agreement"] == found.agreement


def test_another_model_parts_at_a_tensor_that_is_named(small_run: Run, tmp_path: Path) -> None:
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


def compared(simulation: Path, int8: Path, data: Dataset) -> Parity:
    files = {"qat": simulation, "int8": int8}
    task = task_for(recipe.parse(TINY), data, simulation).task
    return compare(files, evaluate(files, data.batches("test", 32), task, pairs=[("int8", "qat")]), data)


def negated_head(prepared: Path) -> bytes:
    """The model with its last layer's weights negated."""
    model = flatbuffer.read(prepared)
    last = layers(model)[-1]
    Editor(model).fill(last.weights, -constant(model, last.weights))
    return flatbuffer.serialize(model)
