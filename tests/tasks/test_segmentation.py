"""How masks are judged: pixels that count for nothing, classes that are not there, outputs of another size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import metric_difference
from pipeline.tasks.segmentation import Segmentation
from pipeline.tensors import TensorSpec
from tests.tasks.tensors_of import model, tensor


def made(*shape: int, dtype: str = "float32", **options: Any) -> Segmentation:
    return Segmentation(output=tensor("y", *shape, dtype=dtype), target="m", **options)


def scores(classes: np.ndarray, count: int) -> dict[str, np.ndarray]:
    return {"y": np.eye(count, dtype=np.float32)[classes]}


TASK = made(2, 3, 3, class_names=("sky", "road", "car"))
MASK = np.array([[[0, 0, 1], [1, 255, 255]]])
SAID = np.array([[[0, 1, 1], [1, 2, 0]]])


def test_intersection_over_union() -> None:
    found = TASK.reduce(TASK.statistics(scores(SAID, 3), {"m": MASK}))
    assert found == {
        "miou": (1 / 2 + 2 / 3) / 2,
        "pixel_accuracy": 3 / 4,
        "iou_of.sky": 1 / 2,
        "iou_of.road": 2 / 3,
    }


def test_sums_are_over_all_examples_and_not_a_mean_of_theirs() -> None:
    mask = np.concatenate([MASK, np.full((1, 2, 3), 0)])
    said = np.concatenate([SAID, np.full((1, 2, 3), 0)])
    statistics = TASK.statistics(scores(said, 3), {"m": mask})
    assert TASK.reduce(statistics)["iou_of.sky"] == 7 / 8
    sample = TASK.resampling(statistics)
    assert sample(np.array([1, 1])) == TASK.reduce(statistics)["miou"]
    assert sample(np.array([0, 2])) == TASK.reduce(statistics[[1, 1]])["miou"] == 1
    assert metric_difference(TASK, statistics, statistics).low == 0
    other = made(2, 3, 3, metric="pixel_accuracy")
    assert other.metrics[0].name == "pixel_accuracy"
    assert other.resampling(statistics)(np.array([1, 0])) == 3 / 4


def test_pixels_that_count_for_nothing_only() -> None:
    statistics = TASK.statistics(scores(SAID, 3), {"m": np.full((1, 2, 3), 255)})
    with pytest.raises(InputError, match="No pixel of the 1 masks has a class: all are 255"):
        TASK.finalize(statistics)


def test_scores_of_another_size_are_resized_before_the_highest_is_taken() -> None:
    task = made(1, 2, 2)
    values = np.array([[[[0.9, 0.1], [0.3, 0.7]]]], np.float32)
    # Half-pixel centres: 0.9, 0.75, 0.45, 0.3 of class 0.
    assert task.answer(values[0], (1, 4)).tolist() == [[0, 0, 1, 1]]
    values = np.array([[[[0.6, 0.4], [0.0, 1.0]]]], np.float32)
    assert task.answer(values[0], (1, 4)).tolist() == [[0, 1, 1, 1]]  # 0.45 is not the higher
    assert task.answer(values[0], (3, 2)).tolist() == [[0, 1]] * 3
    found = task.statistics({"y": values}, {"m": np.array([[[0, 1, 1, 1]]])})
    assert task.reduce(found)["miou"] == 1


def test_class_numbers_are_resized_by_the_nearest() -> None:
    task = made(1, 2, dtype="int64", class_names=("a", "b", "c"))
    assert task.answer(np.array([[0, 2]]), (2, 4)).tolist() == [[0, 0, 2, 2]] * 2
    assert task.reduce(task.statistics({"y": np.array([[[0, 2]]])}, {"m": np.array([[[0, 2]]])}))["miou"] == 1
    assert task.losses == {}
    with pytest.raises(InputError, match="gives the class 3, and the data has the classes 0 to 2"):
        task.statistics({"y": np.array([[[0, 3]]])}, {"m": np.array([[[0, 2]]])})


@pytest.mark.parametrize(("kind", "values"), [("sigmoid", [0.6, 0.4]), ("logits", [0.3, -0.3])])
def test_one_channel_is_two_classes(kind: Any, values: list[float]) -> None:
    task = made(1, 2, 1, scores=kind)
    given = {"y": np.array(values, np.float32).reshape(1, 1, 2, 1)}
    assert task.reduce(task.statistics(given, {"m": np.array([[[1, 0]]])}))["miou"] == 1
    strict = made(1, 2, 1, scores=kind, threshold=0.7)
    assert strict.reduce(strict.statistics(given, {"m": np.array([[[1, 0]]])}))["pixel_accuracy"] == 0.5
    assert task.losses == {"y": "binary_crossentropy"}
    assert task.training_targets({"m": np.array([[[1, 0]]])})["y"].tolist() == [[[[1], [0]]]]


def test_agreement_is_the_share_of_equal_pixels() -> None:
    other = SAID.copy()
    other[0, 0, 0] = 2
    np.testing.assert_allclose(TASK.agreement(scores(SAID, 3), scores(other, 3)), [5 / 6])
    broken = scores(SAID, 3)
    broken["y"][0, 0, 0] = np.nan
    assert TASK.agreement(scores(SAID, 3), broken).tolist() == [0]
    with pytest.raises(PipelineError, match="NaN"):
        TASK.statistics(broken, {"m": MASK})


def test_training_targets_are_one_hot_and_of_the_outputs_size() -> None:
    found = TASK.training_targets({"m": MASK})["y"]
    np.testing.assert_array_equal(found[0, 0], [[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found[0, 1], [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    large = np.kron(MASK, np.ones((1, 4, 4), np.int64))
    np.testing.assert_array_equal(TASK.training_targets({"m": large})["y"], found)
    assert TASK.losses == {"y": "categorical_crossentropy"}
    assert made(2, 3, 3, loss="dice_crossentropy").losses == {"y": "dice_crossentropy"}
    assert made(2, 3, 3, loss="distillation").losses == {}


def test_the_same_before_the_softmax() -> None:
    assert TASK.before_activation().reduce(
        TASK.statistics({"y": 9 * scores(SAID, 3)["y"] - 4}, {"m": MASK})
    ) == TASK.reduce(TASK.statistics(scores(SAID, 3), {"m": MASK}))


def test_logits_as_they_are_before_a_reshape_that_was_cut() -> None:
    flat = {"y": scores(SAID, 3)["y"].reshape(1, 6, 3)}
    assert TASK.before_activation().agreement(flat, scores(SAID, 3)).tolist() == [1]
    np.testing.assert_array_equal(
        TASK.before_activation().statistics(flat, {"m": MASK}), TASK.statistics(scores(SAID, 3), {"m": MASK})
    )


def test_what_is_refused() -> None:
    mask = {"m": TensorSpec("m", (-1, 2, 3), np.dtype(np.int32))}
    TASK.check(model(TASK.output), mask)
    with pytest.raises(InputError, match=r"reads scores \[batch, height, width, classes\]"):
        made(7).check(model(tensor("y", 7)), mask)
    with pytest.raises(InputError, match=r"data\.targets\.m\.kind=mask"):
        TASK.check(model(TASK.output), {"m": tensor("m", 5, 7)})
    with pytest.raises(InputError, match=r"classes 0 to 2 apart; a mask holds 0 to 3.*nothing are 255"):
        TASK.statistics(scores(SAID, 3), {"m": np.where(MASK == 255, 3, MASK)})
    with pytest.raises(InputError, match=r"the classes 0 to 2 apart"):
        TASK.training_targets({"m": np.where(MASK == 255, 3, MASK)})
