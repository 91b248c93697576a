"""Every export is held against the float model, and where it is far from it the first cause and a way out are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import quantize
from pipeline.quantization.keep import parse
from pipeline.workflow.export import Request, export, judge
from pipeline.workflow.export_judgement import Judgement, judging_split
from tests.quantization.sensitivity.models import chain, weights

SIZES = np.array([1.0, 1.0, 100_000.0, 50.0], np.float32)
"""Of the columns."""
RANDOM = np.random.default_rng(1)
X = (RANDOM.random((240, 4)) * SIZES).astype(np.float32)


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))


def judged(model: Path, data: Path, *overrides: str, io: str | None = None, keep: tuple[str, ...] = ()) -> Judgement:
    rules = tuple(map(parse, keep))
    found = judge(export(Request(model, ("int8",), io, None, str(data), overrides, None, rules)), keep=rules)
    assert found is not None
    return found


def stored(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def with_normalization() -> bytes:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    normalized = layers.Normalization(mean=X.mean(axis=0), variance=X.var(axis=0))
    last = layers.Dense(3)
    return to_flatbuffer(tf_keras.Sequential([tf_keras.Input((4,)), normalized, layers.Dense(8, "relu"), last]))


def without_normalization() -> bytes:
    return chain(weights(6, 4) / SIZES, weights(3, 6))


MODELS: dict[str, Callable[[], bytes]] = {"normalization": with_normalization, "none": without_normalization}


@pytest.mark.parametrize("name", MODELS)
def test_numbers_of_very_different_sizes_are_the_cause_and_the_way_out_works(name: str, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(MODELS[name]())
    data = stored(tmp_path, x=X)
    found = judged(model, data)
    assert found.weak == ("int8",)
    (cause,) = found.findings
    assert cause.check == "one scale"
    assert cause.evidence["columns"] == [0, 1, 3]
    tried = cause.evidence["tried"]
    assert all(f"--keep '{operator}=float32'" in cause.remedy for operator in tried["keep"])
    keep = tuple(f"{operator}=float32" for operator in tried["keep"])
    mended = judged(model, data, "quantize.io=float32", io="float32", keep=keep)
    assert (mended.weak, mended.findings) == ((), ())
    compared = mended.scores["int8"].compared
    assert compared is not None
    assert compared.sqnr_db == pytest.approx(tried["sqnr_db"], abs=3)
    assert compared.sqnr_db > 25


def test_standardized_in_the_recipe_they_are_no_cause(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(weights(6, 4), weights(3, 6)))  # as trained on standardized columns
    found = judged(model, stored(tmp_path, x=X), "data.inputs.x.standardize=true")
    assert (found.weak, found.findings) == ((), ())


def test_a_good_model_is_measured_by_the_task_and_by_the_metric_where_there_are_labels(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(weights(6, 4), weights(3, 6), ending="SOFTMAX"))
    x = weights(300, 4, seed=3)
    bare = judged(model, stored(tmp_path, x=x))
    assert (bare.task["name"], bare.scores["int8"].values, bare.weak) == ("fidelity", {}, ())
    assert bare.split == "test"
    assert not bare.calibrated
    labelled = judged(model, stored(tmp_path, x=x, y=np.arange(300) % 3))
    assert labelled.task["name"] == "classification"
    assert set(labelled.scores["int8"].values) == {"top1", "top5"}


def test_inputs_without_content_come_before_all_else(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(weights(6, 4), weights(3, 6)))
    calibration, test = np.zeros((40, 4), np.float32), 5 * weights(40, 4, seed=3)
    found = judged(model, stored(tmp_path, x_calibration=calibration, x_test=test))
    assert found.findings[0].check == "saturation"
    assert "hold the same values" in found.findings[0].message


def test_too_few_examples_are_a_cause(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(weights(6, 4), weights(3, 6)))
    few, test = 0.02 * weights(5, 4, seed=2), 5 * weights(200, 4, seed=3)
    found = judged(model, stored(tmp_path, x_calibration=few, x_test=test))
    assert [cause.check for cause in found.findings] == ["too few"]


def test_few_examples_judge_what_they_calibrated_and_that_is_said(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(weights(6, 4), weights(3, 6)))
    found = judged(model, stored(tmp_path, x=weights(30, 4, seed=3)))
    assert found.calibrated
    assert found.where == "30 calibration examples, which the ranges were measured on"


@pytest.mark.parametrize(
    ("there", "calibrating", "split"),
    [
        ({"calibration", "validation", "test"}, set(), "test"),
        ({"calibration", "validation", "test"}, {"test"}, "validation"),
        ({"calibration", "validation", "test"}, {"test", "validation"}, "calibration"),
        ({"calibration"}, set(), "calibration"),
        ({"test"}, set(), "test"),
    ],
)
def test_what_took_no_part_judges_where_there_is_something(there: set[str], calibrating: set[str], split: str) -> None:
    assert judging_split(dict.fromkeys(there), frozenset(calibrating)) == split


def test_labels_that_count_from_1_are_told(tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(np.eye(4, dtype=np.float32), ending="SOFTMAX"))
    y = RANDOM.integers(0, 3, 300)
    x = (np.eye(4)[y + 1] + 0.1 * RANDOM.random((300, 4))).astype(np.float32)
    found = judged(model, stored(tmp_path, x=x, y=y))
    assert {cause.evidence.get("shift") for cause in found.findings} == {1, None}
    assert found.findings[0].severity == "error"


def test_the_python_api_says_the_same() -> None:
    with pytest.warns(UserWarning, match="one scale"):
        result = quantize(without_normalization(), X)
    assert [cause.check for cause in result.findings] == ["one scale"]
    assert result.measured is not None
    assert "one scale" in str(result)
    good = quantize(chain(weights(6, 4), weights(3, 6)), weights(64, 4, seed=3))
    assert good.findings == ()
    assert "against float: " in str(good)
