"""The int8 model beside the simulation it was trained as: agreement, and where they diverge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.quantization.weighted_operators import constant, layers
from pipeline.tensors import Tensors, only
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.verification.parity import Parity, compare
from pipeline.workflow.run_folder import Run
from tests import tiny_models
from tests.verification.echo import Classes, Fidelity


def test_a_runs_int8_model_answers_as_its_simulation(small_run: Run) -> None:
    data = load(recipe.parse(small_run.manifest["recipe"]).data)
    found = compared(small_run.path("qat.tflite"), small_run.path("int8.tflite"), data)
    assert found.n == data.size("test")
    assert found.agreement >= 0.9
    assert found.kept == (found.agreement >= 0.99)
    assert str(found).startswith("int8 agrees with the fake-quant model")
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


class OneOutput(Classes):
    """By whatever name."""

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        return super().agreement({"scores": only(reference)}, {"scores": only(other)})


def compared(simulation: Path, int8: Path, data: Dataset) -> Parity:
    return compare({"qat": simulation, "int8": int8}, data, OneOutput())


def digits() -> Dataset:
    section = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"}}
    return load(recipe.parse({"name": "digits", "model": {}, "data": section}).data)


def test_agreement_is_the_tasks_and_needs_no_labels(tmp_path: Path) -> None:
    """A model beside itself, and beside one that answers 3 % more: below what is promised."""
    files = {name: tmp_path / f"{name}.tflite" for name in ("qat", "int8", "louder")}
    files["qat"].write_bytes(tiny_models.digits())
    files["int8"].write_bytes(tiny_models.digits())
    data = digits()
    same = compare(files, data, Fidelity())
    assert (same.agreement, same.kept, same.first, same.n) == (1, True, None, data.size("test"))

    model = flatbuffer.read(tiny_models.digits())
    layer = layers(model)[-1]
    Editor(model).fill(layer.weights, np.float32(1.03) * constant(model, layer.weights))
    files["louder"].write_bytes(flatbuffer.serialize(model))
    found = compare({"qat": files["qat"], "int8": files["louder"]}, data, Fidelity())
    assert found.agreement == pytest.approx(0.97, abs=1e-4)
    assert not found.kept
    assert found.steepest is not None
    assert f"agrees with the fake-quant model on 97.0 % of {found.n} examples, less than 99 %" in str(found)
    # The classes are the same.
    assert compared(files["qat"], files["louder"], data).agreement == 1


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
