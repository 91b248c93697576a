"""The int8 model of a QAT model in training scores what the exported file scores, keep rules and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.evaluator import evaluate
from pipeline.quantization.formats import write
from pipeline.recipe import Quantize
from pipeline.tflite.inspect import inspect
from pipeline.tflite.verdict import require
from tests.training.tasks import Arrays, Unjudged, digits

DATA = {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 20, "limit": 60}


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load(recipe.Data.model_validate(DATA))


@pytest.fixture(scope="module")
def both(data: Dataset) -> tuple[Any, Any]:
    """A float model and its QAT model, with the same weights."""
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.calibrated_start import calibrate
    from tests.tiny_keras import model

    tiny = model()
    aware = quantize_aware(tiny)
    calibrate(aware, [batch.inputs for batch in data.batches("test", 32)])
    return tiny, aware


def test_its_score_is_the_files(data: Dataset, both: tuple[Any, Any], tmp_path: Path) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.conversion.qat_int8 import float_model_of, int8_score, same_answers

    tiny, aware = both
    prepared, task, path = float_model_of(aware, data), digits(tiny), tmp_path / "int8.tflite"
    path.write_bytes(write(prepared.content, "int8", prepared.ranges))
    require(inspect(path), "int8")
    expected = evaluate({"int8": path}, data.batches("test", 32), task)["int8"].values["top1"]
    assert int8_score(tiny, data, "test", task, Quantize())(aware) == expected
    assert same_answers(aware, to_flatbuffer(aware), data, "test", task) == 1.0
    assert np.isfinite(list(prepared.ranges.values())).all()


def test_what_is_written_has_the_recipes_format_and_keep_rules(data: Dataset, both: tuple[Any, Any]) -> None:
    from pipeline.conversion.qat_int8 import format_of, int8_score, written

    tiny, aware = both
    kept = Quantize.model_validate({"keep": [{"type": "SOFTMAX"}], "io": "float32"})
    assert {op.name for op in inspect(written(aware, data, kept)).float_operators} == {"SOFTMAX"}
    assert not inspect(written(aware, data, Quantize())).float_operators
    assert format_of(Quantize(formats=("float16", "int16x8"))) == "int16x8"
    assert format_of(Quantize(formats=("int16x8", "int8"))) == "int8"
    nothing = Quantize.model_validate({"keep": [{"type": "CONV_3D"}]})
    with pytest.raises(InputError, match="CONV_3D"):
        int8_score(tiny, data, "test", digits(tiny), nothing)(aware)


def test_a_keep_rule_changes_the_score_of_the_epoch(both: tuple[Any, Any]) -> None:
    """By its decibels to the float model, where there are no labels."""
    from pipeline.conversion.qat_int8 import int8_score

    tiny, aware = both
    images = np.random.default_rng(0).uniform(0, 1, (64, 8, 8, 1)).astype(np.float32)
    unlabelled: Any = Arrays({"x": images}, {})
    all_kept = Quantize.model_validate({"keep": [{"match": "*"}], "io": "float32"})
    task = Unjudged(tiny.output_names[0])
    first, second = (int8_score(tiny, unlabelled, "validation", task, how)(aware) for how in (Quantize(), all_kept))
    assert second > first


def test_an_int8_model_that_ends_the_process_is_one_paragraph(
    data: Dataset, both: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.conversion import qat_int8
    from tests import tiny_models

    tiny, aware = both
    score = qat_int8.int8_score(tiny, data, "test", digits(tiny), Quantize())
    monkeypatch.setattr(qat_int8, "written", lambda *_: tiny_models.sum_of_two(4, "int8", scale=None))
    with pytest.raises(PipelineError, match=r"SIGABRT.*operator 0 ADD \('sum'\)") as caught:
        score(aware)
    assert caught.value.exit_status == 1
