"""Several models judged on one stream of examples, by classification and by other tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.evaluator import Evaluation, evaluate
from pipeline.evaluation.statistics import wilson_interval
from pipeline.tasks import Task, resolve
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tensors import Batch, Outputs, Signature, Tensors, TensorSpec
from pipeline.tflite.endings import endings
from pipeline.tflite.runner import Runner
from tests import tiny_models

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CLASSES = 7
GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(-4, 4, (50, CLASSES)).astype(np.float32)
Y = X.argmax(axis=1)
Y[:10] = X[:10].argsort(axis=1)[:, -2]  # the second best
Y[10:12] = X[10:12].argmin(axis=1)


def pair(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Batch:
    return Batch({"x": x}, {"y": y})


def batches(x: np.ndarray[Any, Any] = X, y: np.ndarray[Any, Any] = Y, size: int = 7) -> Iterator[Batch]:
    for start in range(0, len(x), size):
        yield pair(x[start : start + size], y[start : start + size])


def task_of(model: bytes, section: Any = "auto", target: str = "int64", *shape: int) -> Task:
    """The task of a model for a target `y`."""
    signature = Runner(model).signature
    targets = {"y": TensorSpec("y", (-1, *shape), np.dtype(target))}
    return resolve(section, signature, endings(model), {}, targets).task


def one(model: Path | bytes, data: Iterable[Batch], task: Task, **options: Any) -> Evaluation:
    return evaluate({"model": model}, data, task, **options)["model"]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


EXACT = tiny_models.linear(np.eye(CLASSES), ending="SOFTMAX")
COARSE = tiny_models.linear(np.eye(CLASSES), dtype="int8")
TASK = task_of(EXACT)


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    return write(tmp_path / "exact.tflite", EXACT)


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    return write(tmp_path / "coarse.tflite", COARSE)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("xnnpack", [True, False])
def test_one_model(exact: Path, batch_size: int, xnnpack: bool) -> None:
    found = one(exact, batches(), TASK, batch_size=batch_size, xnnpack=xnnpack)
    assert (found.values, found.n) == ({"top1": 38 / 50, "top5": 48 / 50}, 50)
    assert found.size_bytes == exact.stat().st_size
    assert found.interval == wilson_interval(38, 50)
    assert found.agreement is None
    assert found.compared is None


def test_against_a_reference(exact: Path, coarse: Path) -> None:
    found = evaluate({"int8": coarse, "float": exact}, batches(), TASK, "float")
    int8 = found["int8"]
    # The model rounds to steps of 1/2, and of equal scores the first class wins.
    predicted = (np.round(np.round(X * 4) / 2 + 1e-9) / 2).argmax(axis=1)
    assert int8.agreement == pytest.approx((predicted == X.argmax(axis=1)).mean(), abs=0.05)
    assert int8.compared is not None
    assert int8.compared.agreement < 1
    difference = int8.compared.difference
    assert difference is not None
    assert difference.value == pytest.approx(int8.values["top1"] - 38 / 50)
    assert difference.low < difference.value < difference.high
    assert found["float"].compared is None


def test_the_json_of_a_classifier_keeps_its_keys(exact: Path, coarse: Path) -> None:
    found = evaluate({"int8": coarse, "float": exact}, batches(), TASK, "float")
    content = json.loads(json.dumps(found["int8"].to_json(), allow_nan=False))
    assert content.keys() >= {"top1", "top5", "n", "agreement", "size_bytes", "top1_interval", "difference"}
    assert set(content["difference"]) == {"value", "low", "high"}
    assert content["outputs"]["end"].keys() >= {"sqnr_db", "cosine", "max_lsb", "differing", "identical"}
    alone = json.loads(json.dumps(found["float"].to_json(), allow_nan=False))
    assert (alone["difference"], alone["agreement"], alone["outputs"]) == (None, None, None)


def test_what_is_not_known_is_none_in_json() -> None:
    model = tiny_models.linear(np.eye(3), ending="SOFTMAX")
    found = one(model, [pair(np.eye(3, dtype=np.float32), np.arange(3))], task_of(model)).to_json()
    assert (found["top1"], found["top5"]) == (1, None)
    assert found["size_bytes"] == len(model)
    constant = one(
        model, [pair(np.eye(3, dtype=np.float32), np.ones((3, 3)))], task_of(model, "regression", "float32", 3)
    )
    content = json.loads(json.dumps(constant.to_json(), allow_nan=False))
    assert (content["r2"], content["r2_interval"]) == (None, [None, None])


def test_many_models_in_one_pass(exact: Path, coarse: Path) -> None:
    tracked: list[str] = []

    def track(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        tracked.append(what)
        return items

    models = {"int8": coarse, "float": exact, "again": exact}
    found = evaluate(models, batches(), TASK, "float", track=track)  # a generator: a second pass would be empty
    assert list(found) == ["int8", "float", "again"]
    assert {result.n for result in found.values()} == {50}
    assert found["again"].agreement == 1
    assert found["again"].compared is not None
    assert found["again"].compared.identical
    assert found["again"].compared.difference is not None
    assert found["again"].compared.difference.value == 0
    assert found["int8"] == evaluate({"int8": coarse, "float": exact}, batches(), TASK, "float")["int8"]
    assert tracked == ["evaluate"]


def test_further_pairs(exact: Path, coarse: Path) -> None:
    models = {"float": exact, "int8": coarse, "qat": coarse}
    found = evaluate(models, batches(), TASK, "float", pairs=[("int8", "qat")])
    assert found["int8"].besides["qat"].identical
    assert found["int8"].agreement == found["qat"].agreement != 1
    assert found["float"].besides == {}


def test_a_pair_that_is_the_references_is_counted_once(exact: Path, coarse: Path) -> None:
    found = evaluate({"float": exact, "int8": coarse}, batches(), TASK, "float", pairs=[("int8", "float")])
    compared = found["int8"].compared
    assert compared is not None
    assert compared.n == 50
    assert found["int8"].besides["float"] == compared


def test_an_unknown_reference(exact: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'float'"):
        evaluate({"float": exact}, batches(), TASK, "flaot")


def test_one_sigmoid_unit_and_one_logit() -> None:
    x, labels = np.array([[-3], [-1], [1], [2], [0.5], [0]], np.float32), np.array([0, 1, 1, 1, 0, 0])
    for ending in ("LOGISTIC", None):
        model = tiny_models.linear(np.array([[1.0]]), ending=ending)
        found = one(model, [pair(x, labels)], task_of(model, "classification"))
        assert found.values["top1"] == 4 / 6


def test_regression() -> None:
    model = tiny_models.linear(np.eye(2))
    x = np.array([[1.0, 10], [2, 20], [6, 30]], np.float32)
    found = evaluate(
        {"float": model, "same": model},
        [pair(x, np.array([[1.0, 10], [3, 20], [5, 30]], np.float32))],
        task_of(model, "auto", "float32", 2),
        "float",
    )
    assert found["float"].task == "regression"
    assert found["float"].values["r2"] == pytest.approx((1 - 2 / 8 + 1) / 2)
    assert found["float"].interval is not None
    low, high = found["float"].interval
    assert low < found["float"].values["r2"] <= high
    content = found["same"].to_json()
    assert content["r2_interval"] == [low, high]
    assert content["difference"] == {"value": 0, "low": 0, "high": 0}


def test_without_labels_models_are_compared_and_not_judged(exact: Path, coarse: Path) -> None:
    unlabelled = [Batch({"x": X}, {})]
    found = evaluate({"int8": coarse, "float": exact}, unlabelled, Fidelity(), "float")["int8"]
    assert (found.values, found.interval, found.metric) == ({}, None, None)
    assert found.compared is not None
    assert np.isfinite(found.compared.sqnr_db)
    content = found.to_json()
    assert content["difference"] is None
    assert content["n"] == 50


def test_an_autoencoder_is_judged_by_its_inputs() -> None:
    model = tiny_models.linear(np.eye(3) * 0.5)
    signature = Runner(model).signature
    task = resolve("auto", signature, endings(model), {"x": TensorSpec("x", (-1, 3), np.dtype(np.float32))}, {}).task
    x = np.array([[2.0, 0, 0], [0, 4, 0]], np.float32)
    assert one(model, [Batch({"x": x}, {})], task).values == {"mse": pytest.approx((1 / 3 + 4 / 3) / 2)}


class Doubled:
    """Not a file, and its output has another name."""

    signature = Signature(
        (TensorSpec("x", (-1, 2), np.dtype(np.float32)),), (TensorSpec("z", (-1, 2), np.dtype(np.float32)),)
    )

    def __call__(self, inputs: Tensors) -> Outputs:
        return Outputs.of_real({"z": 2 * inputs["x"]})


def test_whatever_answers_batches_is_a_model() -> None:
    model = tiny_models.linear(np.eye(2))
    data = [Batch({"x": np.array([[3.0, 4]], np.float32)}, {})]
    found = evaluate({"keras": Doubled(), "float": model}, data, Fidelity(), "float")["keras"]
    assert found.size_bytes is None
    assert found.agreement == 0
    assert found.compared is not None
    assert list(found.compared.fidelity) == ["y"]


def test_a_model_that_fixes_its_batch(tmp_path: Path) -> None:
    model = tiny_models.fixed_batch(6)
    data = [pair(X[:, :6].reshape(-1, 3, 2), X[:, :6].argmax(axis=1))]
    assert one(model, data, task_of(model, "classification"), batch_size=8).values["top1"] == 1


def test_labels_outside_the_classes(exact: Path) -> None:
    with pytest.raises(InputError, match=r"The model 'model': The output 'end' knows the classes 0 to 6; the labels"):
        one(exact, batches(y=np.full(50, CLASSES)), TASK)


def test_labels_of_another_length(exact: Path) -> None:
    with pytest.raises(InputError, match="holds 5 examples and 4 of the labels"):
        one(exact, [pair(X[:5], Y[:4])], TASK)


def test_nan_scores() -> None:
    weights = np.eye(CLASSES)
    weights[2, 2] = np.nan
    with pytest.raises(PipelineError, match=r"'model': .* holds NaN for 7 of 7") as caught:
        one(tiny_models.linear(weights), batches(), TASK)
    assert caught.value.exit_status == 1


def test_examples_of_another_shape(exact: Path) -> None:
    with pytest.raises(InputError, match=r"exact\.tflite takes \[batch, 7\] as 'x' and was given \[7, 5\]"):
        one(exact, batches(x=X[:, :5]), TASK)


def test_models_of_other_classes(exact: Path) -> None:
    fewer = tiny_models.linear(np.eye(CLASSES)[:6])
    with pytest.raises(InputError, match=r"gives \[7\] as .* and fewer \[6\]: they are not forms of the same model"):
        evaluate({"exact": exact, "fewer": fewer}, batches(y=np.zeros(50, int)), TASK, "fewer")


@pytest.mark.parametrize("nothing", [[], [pair(X[:0], Y[:0])]])
def test_no_examples(exact: Path, nothing: list[Batch]) -> None:
    with pytest.raises(InputError, match="no examples"):
        one(exact, nothing, TASK)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        one(tmp_path / "none.tflite", batches(), TASK)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real models and images are not at {SHARED}")
def test_mlperf_resnet8_on_cifar10() -> None:
    images = np.load(SHARED / "cifar10" / "cifar10_dev.npz")
    x, y = images["x_test"].astype(np.float32), images["y_test"].astype(np.int64).reshape(-1)
    model = SHARED / "models" / "resnet8_cifar10_mlperf_int8.tflite"
    found = one(model, batches(x, y, 64), task_of(model.read_bytes()))
    assert (found.values["top1"], found.n) == (0.884, 500)
    assert found.values["top5"] > 0.98
