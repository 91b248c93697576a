"""The int8 model of a QAT model in training scores what the exported file scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline import recipe
from pipeline.data import load
from pipeline.evaluation.classify import evaluate
from pipeline.quantization.formats import write
from pipeline.tflite.inspect import inspect
from pipeline.tflite.verdict import require

DATA = {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 20, "limit": 60}


def test_its_score_is_the_files_accuracy(tmp_path: Path) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.conversion.qat_int8 import accuracy_on, float_model_of, same_answers
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.calibrated_start import calibrate
    from tests.tiny_keras import model

    data = load(recipe.Data.model_validate(DATA))
    aware = quantize_aware(model())
    x = next(iter(data.batches("test", 32))).x
    calibrate(aware, [x])
    prepared = float_model_of(aware, data)
    path = tmp_path / "int8.tflite"
    path.write_bytes(write(prepared.content, "int8", prepared.ranges))
    require(inspect(path), "int8")
    assert accuracy_on(data, "test")(aware) == evaluate(path, data.batches("test", 32)).top1
    assert same_answers(aware, to_flatbuffer(aware), x) == 1.0
    assert np.isfinite(list(prepared.ranges.values())).all()
