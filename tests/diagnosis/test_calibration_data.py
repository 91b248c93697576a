"""All checks together: each way to spoil calibration data is named first, and good data is left in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import recipe as recipes
from pipeline.data import load
from pipeline.diagnosis import calibration_data
from pipeline.errors import InputError
from pipeline.finding import Diagnosis
from pipeline.recipe import Data
from pipeline.tflite.metadata import Metadata
from pipeline.workflow.context import resolve_task
from tests import tiny_models
from tests.diagnosis import trained_classifiers as classifiers

X, Y = classifiers.digits()
MODEL = classifiers.trained(X, Y, "-1..1")
CALIBRATION, TEST = (X[:200], Y[:200]), (X[1000:1300], Y[1000:1300])
Split = tuple[NDArray[Any], NDArray[np.int64]]


def diagnose(model: bytes, data: Data, described: Metadata | None = None, **keys: Any) -> Diagnosis:
    """With the task that fits the model and the data, as the command does."""
    if "task" not in keys:
        recipe = recipes.parse({"name": "x", "model": {}, "data": data.model_dump(mode="json")})
        keys["task"] = resolve_task(recipe, load(data.model_copy(update={"on_corrupt": "skip"})), model).task
    return calibration_data.diagnose(model, data, described, **keys)


def examined(folder: Path, calibration: Split = CALIBRATION, scale: str = "-1..1", **keys: Any) -> Diagnosis:
    """What is found of this calibration split, with the good test split and the model that expects −1..1."""
    path = classifiers.stored(folder, calibration=calibration, test=TEST)
    return diagnose(MODEL, classifiers.data(path, scale), **keys)


def first(diagnosis: Diagnosis) -> tuple[str, str]:
    return diagnosis.findings[0].check, diagnosis.findings[0].severity


def test_nothing_is_found_in_good_data(tmp_path: Path) -> None:
    diagnosis = examined(tmp_path)
    assert diagnosis.findings == ()
    assert not diagnosis.failed
    assert diagnosis.examples == {"calibration": 200, "test": 300}
    assert diagnosis.left_out == ()
    assert len(diagnosis.checked) == 6


@pytest.mark.parametrize("seed", range(8))
def test_nor_in_any_random_draw_of_it(seed: int) -> None:
    data = Data(source="digits", preprocess={"scale": "-1..1"}, calibration=60 + 20 * seed, seed=seed)
    assert diagnose(MODEL, data).findings == ()


@pytest.mark.parametrize("scale", ["raw", "0..1"])
def test_the_wrong_scale_comes_first(scale: str, tmp_path: Path) -> None:
    diagnosis = examined(tmp_path, scale=scale)
    assert first(diagnosis) == ("normalisation", "error")
    assert "expects -1..1" in diagnosis.findings[0].message
    assert "data.preprocess.scale=-1..1" in diagnosis.findings[0].remedy
    assert diagnosis.failed


@pytest.mark.parametrize("before", ["0..1", "-1..1"])
def test_data_that_is_normalised_twice(before: str, tmp_path: Path) -> None:
    scaled = classifiers.SCALES[before](CALIBRATION[0].astype(np.float32))
    diagnosis = examined(tmp_path, (scaled, CALIBRATION[1]))
    assert first(diagnosis) == ("normalisation", "error")
    assert diagnosis.findings[0].message.startswith("Normalised twice")
    simplest = "raw" if before == "-1..1" else "mean_std"
    assert f"--set data.preprocess.scale={simplest}" in diagnosis.findings[0].remedy
    assert "one class" in diagnosis.findings[0].effect


def test_ranges_are_not_measured_on_the_wrong_scale(tmp_path: Path) -> None:
    diagnosis = examined(tmp_path, scale="raw")
    assert {finding.check for finding in diagnosis.findings} == {"normalisation"}
    assert any("wrong scale" in reason for reason in diagnosis.left_out)


def test_the_models_metadata_count_too(tmp_path: Path) -> None:
    says = Metadata("m", preprocessing={"mean": [0.0], "std": [255.0]})
    assert first(examined(tmp_path, described=says)) == ("metadata", "error")


def test_one_class_only(tmp_path: Path) -> None:
    assert first(examined(tmp_path, (X[Y == 3][:100], Y[Y == 3][:100]))) == ("classes", "warning")


def test_five_examples(tmp_path: Path) -> None:
    assert first(examined(tmp_path, (X[:5], Y[:5]))) == ("too few", "warning")


def test_one_example(tmp_path: Path) -> None:
    diagnosis = examined(tmp_path, (X[:1], Y[:1]))
    assert first(diagnosis) == ("too few", "warning")
    assert "Only 1 calibration example." in diagnosis.findings[0].message


def test_copies(tmp_path: Path) -> None:
    diagnosis = examined(tmp_path, (np.repeat(X[:20], 10, axis=0), np.repeat(Y[:20], 10)))
    assert [finding.check for finding in diagnosis.findings[:2]] == ["duplicates", "too few"]


def test_calibration_examples_in_the_test_split(tmp_path: Path) -> None:
    mixed = np.concatenate([X[:150], TEST[0][:50]]), np.concatenate([Y[:150], TEST[1][:50]])
    diagnosis = examined(tmp_path, mixed)
    assert first(diagnosis) == ("duplicates", "warning")
    assert diagnosis.findings[0].evidence["count"] == 50


def test_images_that_are_black(tmp_path: Path) -> None:
    assert first(examined(tmp_path, (np.zeros_like(X[:100]), Y[:100]))) == ("saturation", "error")


def test_images_that_are_too_dark(tmp_path: Path) -> None:
    diagnosis = examined(tmp_path, (X[:200] // 5, Y[:200]))
    assert [finding.check for finding in diagnosis.findings] == ["ranges"]
    assert diagnosis.failed


@pytest.mark.parametrize(("on_corrupt", "severity"), [("fail", "error"), ("skip", "warning")])
def test_an_example_with_nan_is_named_not_fatal(on_corrupt: str, severity: str, tmp_path: Path) -> None:
    x = X[:200].astype(np.float32)
    x[7, 2, 2] = np.nan
    path = classifiers.stored(tmp_path, calibration=(x, Y[:200]), test=TEST)
    diagnosis = diagnose(MODEL, classifiers.data(path, "-1..1").model_copy(update={"on_corrupt": on_corrupt}))
    assert first(diagnosis) == ("readable", severity)
    assert "x_calibration[7]" in diagnosis.findings[0].message
    assert diagnosis.examples["calibration"] == 199


def test_weights_that_are_nan(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(10, 64))
    weights[3, 5] = np.nan
    path = classifiers.stored(tmp_path, calibration=CALIBRATION, test=TEST)
    diagnosis = diagnose(classifiers.classifier((8, 8, 1), weights, np.zeros(10)), classifiers.data(path, "-1..1"))
    assert first(diagnosis) == ("ranges", "error")
    assert "'logits'" in diagnosis.findings[0].message


@pytest.mark.parametrize("scale", ["raw", "0..1", "-1..1"])
@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_learned_nothing_has_no_preferred_scale(scale: str, seed: int, tmp_path: Path) -> None:
    weights = np.random.default_rng(seed).normal(size=(10, 64))
    path = classifiers.stored(tmp_path, calibration=CALIBRATION, test=TEST)
    diagnosis = diagnose(classifiers.classifier((8, 8, 1), weights, np.zeros(10)), classifiers.data(path, scale))
    assert diagnosis.findings == ()
    assert any("by chance" in reason for reason in diagnosis.left_out)


def test_without_an_evaluation_split_the_rest_is_checked(tmp_path: Path) -> None:
    path = classifiers.stored(tmp_path, calibration=CALIBRATION)
    diagnosis = diagnose(MODEL, classifiers.data(path, "raw"))
    assert first(diagnosis) == ("normalisation", "error")
    assert any("evaluation split" in reason for reason in diagnosis.left_out)


def test_the_examples_are_streamed(tmp_path: Path) -> None:
    """Progress is reported by pass, so no pass makes a list of the data first."""
    passes: list[str] = []

    def track(items: Any, what: str, total: int | None = None) -> Any:
        passes.append(what)
        assert not isinstance(items, list)
        return items

    examined(tmp_path, track=track)
    assert passes[:2] == ["reading calibration", "reading test"]
    assert len(passes) == 6


def test_a_quantized_model_that_was_calibrated_on_other_inputs(tmp_path: Path) -> None:
    model = tiny_models.linear(np.eye(4), dtype="int8")  # its input holds −31.25 to 32.5
    x = np.random.default_rng(0).uniform(0, 1, (80, 4)).astype(np.float32)
    path = classifiers.stored(tmp_path, calibration=(x, x.argmax(axis=1)), test=(x[::-1] / 2, x[::-1].argmax(axis=1)))
    diagnosis = diagnose(model, classifiers.data(path))
    [ranges] = [finding for finding in diagnosis.findings if finding.check == "ranges"]
    assert ranges.severity == "error"
    assert "4 of 256 steps" in ranges.effect
    assert any("quantized" in reason for reason in diagnosis.left_out)


def test_a_model_of_other_inputs_than_the_data_is_refused(tmp_path: Path) -> None:
    path = classifiers.stored(tmp_path, calibration=CALIBRATION, test=TEST)
    with pytest.raises(InputError, match="no input 'x'; it has 'first', 'second'"):
        diagnose(tiny_models.sum_of_two(6, scale=None), classifiers.data(path), task=None)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    path = classifiers.stored(tmp_path, calibration=CALIBRATION, test=TEST)
    with pytest.raises(InputError, match=r"takes \[batch, 8, 8, 1\].*gives \[9, 9, 1\]"):
        diagnose(MODEL, classifiers.data(path, size=(9, 9)), task=None)


def test_no_calibration_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no calibration split"):
        diagnose(MODEL, classifiers.data(classifiers.stored(tmp_path, test=TEST)), task=None)


def test_what_is_no_classifier_is_examined_without_its_answers(tmp_path: Path) -> None:
    graph = tiny_models.Graph()
    x, y = graph.tensor("x", [1, 8, 8, 1]), graph.tensor("y", [1, 8, 8, 1])
    graph.operator("LOGISTIC", [x], [y])
    path = classifiers.stored(tmp_path, calibration=CALIBRATION, test=TEST)
    diagnosis = diagnose(graph.build([x], [y]), classifiers.data(path, "0..1"), task=None)
    assert diagnosis.findings == ()
    assert any("no classifier" in reason for reason in diagnosis.left_out)
