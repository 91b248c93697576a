"""A model that plain tfmot trained goes to int8 with the ranges that it learned, whatever file it comes in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.errors import InputError
from pipeline.quantization.tap import activations
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.workflow.export import Request, export

FILES = ("qat.h5", "qat.keras", "qat")


@pytest.mark.parametrize("name", FILES)
def test_every_range_is_learned_and_the_inputs_is_what_its_quantizer_saw(plain_qat: Path, name: str) -> None:
    from pipeline.models.load import load_file

    imported = import_float(plain_qat / name)
    assert set(activations(imported.content)) == set(imported.ranges)
    layer = load_file(plain_qat / "qat.h5").layers[1]
    seen = [float(variable.numpy()) for variable in layer.variables[:2]]
    [spec] = Runner(imported.content).signature.inputs
    low, high = imported.ranges[spec.name]
    assert high - low == pytest.approx(seen[1] - seen[0], rel=1e-4)
    assert "Quantize" not in {operator.name.title() for operator in inspect(imported.content).operators}


@pytest.mark.parametrize("name", FILES)
def test_int8_needs_no_data(plain_qat: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path))
    written = export(Request(plain_qat / name, ["int8", "float32"], None, None, None, (), None))
    assert inspect(written["int8"]).verdict.kind == "int8"
    data = np.load(plain_qat / "data.npz")
    [answers] = Runner(written["int8"])({"x": data["x"]}).real.values()
    assert np.abs(answers - data["y"]).max() < 3 / 256  # a few steps of the softmax's scale


def test_data_measures_nothing_anew(plain_qat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.quantization.ranges import Ranges

    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path))
    np.savez(tmp_path / "other.npz", x=100 * np.ones((20, 8, 8, 1), np.float32))  # what would be measured differs
    raw = ("data.preprocess.scale=raw",)
    written = export(Request(plain_qat / "qat.h5", ["int8"], None, None, str(tmp_path / "other.npz"), raw, None))
    ranges = Ranges.load(written["int8"].parent / "ranges.json")
    assert ranges.method == "learned by QAT"
    learned = import_float(plain_qat / "qat.h5").ranges
    assert set(ranges) == set(learned)
    np.testing.assert_allclose([ranges[name] for name in learned], list(learned.values()), atol=1e-6)


def test_what_was_not_wrapped_needs_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow_model_optimization as tfmot

    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    head = tfmot.quantization.keras.quantize_annotate_layer(layers.Dense(2))
    model = tf_keras.Sequential([layers.Input((8,)), layers.Dense(4, activation="relu"), head])
    tfmot.quantization.keras.quantize_apply(model).save(tmp_path / "part.h5")
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path))
    with pytest.raises(InputError, match=r"representative dataset.*learned no range for"):
        export(Request(tmp_path / "part.h5", ["int8"], None, None, None, (), None))


def test_the_doctor_knows_it_and_qat_refuses_it(plain_qat: Path) -> None:
    from pipeline.models.load import load_file
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.doctor import examine

    model = load_file(plain_qat / "qat.h5")
    diagnosis = examine(model)
    assert not diagnosis.failed
    [finding] = [finding for finding in diagnosis.findings if finding.check == "QAT model"]
    assert any(name.startswith("quant_dense") for name in finding.evidence["layers"])
    with pytest.raises(InputError, match="trained with fake-quant already"):
        quantize_aware(model)
