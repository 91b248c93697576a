from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.classify import evaluate, evaluate_many
from pipeline.tensors import Batch
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


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    return write(tmp_path / "exact.tflite", tiny_models.linear(np.eye(CLASSES), ending="SOFTMAX"))


@pytest.fixture
def coarse(tmp_path: Path) -> Path:
    return write(tmp_path / "coarse.tflite", tiny_models.linear(np.eye(CLASSES), dtype="int8"))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("xnnpack", [True, False])
def test_one_model(exact: Path, batch_size: int, xnnpack: bool) -> None:
    found = evaluate(exact, batches(), batch_size=batch_size, xnnpack=xnnpack)
    assert (found.top1, found.top5, found.n) == (38 / 50, 48 / 50, 50)
    assert found.size_bytes == exact.stat().st_size
    assert found.interval[0] < found.top1 < found.interval[1]
    assert found.agreement is None
    assert found.difference is None


def test_against_a_reference(exact: Path, coarse: Path) -> None:
    found = evaluate(coarse, batches(), reference=exact)
    # The model rounds to steps of 1/2, and of equal scores the first class wins.
    predicted = (np.round(np.round(X * 4) / 2 + 1e-9) / 2).argmax(axis=1)
    assert found.agreement == pytest.approx((predicted == X.argmax(axis=1)).mean(), abs=0.05)
    assert found.agreement is not None
    assert found.agreement < 1
    assert found.difference is not None
    assert found.difference.value == pytest.approx(found.top1 - 38 / 50)
    assert found.difference.low < found.difference.value < found.difference.high


def test_json(exact: Path, coarse: Path) -> None:
    content = json.loads(json.dumps(evaluate(coarse, batches(), reference=exact).to_json()))
    assert set(content) == {"top1", "top5", "n", "agreement", "size_bytes", "top1_interval", "difference"}
    assert set(content["difference"]) == {"value", "low", "high"}
    assert json.loads(json.dumps(evaluate(exact, batches()).to_json()))["difference"] is None


def test_many_models_in_one_pass(exact: Path, coarse: Path) -> None:
    tracked: list[str] = []

    def track(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        tracked.append(what)
        return items

    models = {"int8": coarse, "float": exact, "again": exact}
    found = evaluate_many(models, batches(), "float", track=track)  # a generator: a second pass would be empty
    assert list(found) == ["int8", "float", "again"]
    assert {result.n for result in found.values()} == {50}
    assert found["float"].agreement is None
    assert found["again"].agreement == 1
    assert found["again"].difference is not None
    assert found["again"].difference.value == 0
    assert found["int8"] == evaluate(coarse, batches(), reference=exact)
    assert tracked == ["evaluate"]


def test_an_unknown_reference(exact: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'float'"):
        evaluate_many({"float": exact}, batches(), "flaot")


def test_one_sigmoid_unit(tmp_path: Path) -> None:
    model = write(tmp_path / "m.tflite", tiny_models.linear(np.array([[1.0]]), ending="LOGISTIC"))
    x = np.array([[-3], [-1], [1], [2], [0.5]], np.float32)
    found = evaluate(model, [pair(x, np.array([0, 1, 1, 1, 0]))])
    assert (found.top1, found.top5) == (0.6, None)


def test_one_unit_that_is_a_logit(tmp_path: Path) -> None:
    model = write(tmp_path / "m.tflite", tiny_models.linear(np.array([[1.0]])))
    with pytest.raises(InputError, match="values from -3 to 2; one unit must be a sigmoid's"):
        evaluate(model, [pair(np.array([[-3], [2]], np.float32), np.array([0, 1]))])


def test_a_model_that_fixes_its_batch(tmp_path: Path) -> None:
    model = write(tmp_path / "m.tflite", tiny_models.fixed_batch(6))
    found = evaluate(model, [pair(X[:, :6].reshape(-1, 3, 2), X[:, :6].argmax(axis=1))], batch_size=8)
    assert found.top1 == 1


@pytest.mark.parametrize("bad", [-1, CLASSES])
def test_labels_outside_the_classes(exact: Path, bad: int) -> None:
    labels = Y.copy()
    labels[30] = bad
    with pytest.raises(InputError, match="knows the classes 0 to 6; the labels hold"):
        evaluate(exact, batches(y=labels))


def test_labels_that_are_no_numbers_of_classes(exact: Path) -> None:
    with pytest.raises(InputError, match="float64"):
        evaluate(exact, batches(y=Y.astype(float)))


def test_labels_of_another_length(exact: Path) -> None:
    with pytest.raises(InputError, match=r"one label for each example; .* \(5, 7\) and labels \(4,\)"):
        evaluate(exact, [pair(X[:5], Y[:4])])


def test_nan_scores(tmp_path: Path) -> None:
    weights = np.eye(CLASSES)
    weights[2, 2] = np.nan
    model = write(tmp_path / "broken.tflite", tiny_models.linear(weights))
    with pytest.raises(PipelineError, match=r"broken\.tflite gives NaN for 7 of 7") as caught:
        evaluate(model, batches())
    assert caught.value.exit_status == 1


def test_an_output_that_is_no_list_of_classes(tmp_path: Path) -> None:
    graph = tiny_models.Graph()
    x, y = graph.tensor("x", [1, 2, 2]), graph.tensor("y", [1, 2, 2])
    graph.operator("LOGISTIC", [x], [y])
    model = write(tmp_path / "m.tflite", graph.build([x], [y]))
    with pytest.raises(InputError, match=r"gives \[3, 2, 2\] for 3 examples; a classifier gives"):
        evaluate(model, [pair(np.zeros((3, 2, 2), np.float32), np.zeros(3, int))])


def test_examples_of_another_shape(exact: Path) -> None:
    with pytest.raises(InputError, match=r"exact\.tflite takes \[batch, 7\] as 'x' and was given \[7, 5\]"):
        evaluate(exact, batches(x=X[:, :5]))


def test_models_of_other_classes(exact: Path, tmp_path: Path) -> None:
    fewer = write(tmp_path / "fewer.tflite", tiny_models.linear(np.eye(CLASSES)[:6]))
    with pytest.raises(InputError, match=r"same classes.*exact\.tflite: 7.*fewer\.tflite: 6"):
        evaluate(exact, batches(y=np.zeros(50, int)), reference=fewer)


@pytest.mark.parametrize("nothing", [[], [pair(X[:0], Y[:0])]])
def test_no_examples(exact: Path, nothing: list[Batch]) -> None:
    with pytest.raises(InputError, match="no examples"):
        evaluate(exact, nothing)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        evaluate(tmp_path / "none.tflite", batches())


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real models and images are not at {SHARED}")
def test_mlperf_resnet8_on_cifar10() -> None:
    images = np.load(SHARED / "cifar10" / "cifar10_dev.npz")
    x, y = images["x_test"].astype(np.float32), images["y_test"].astype(np.int64).reshape(-1)
    model = SHARED / "models" / "resnet8_cifar10_mlperf_int8.tflite"
    found = evaluate(model, batches(x, y, 64))
    assert (found.top1, found.n) == (0.884, 500)
    assert found.top5 is not None
    assert found.top5 > 0.98
