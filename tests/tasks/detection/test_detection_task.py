"""How a detector is judged: in the stored image's pixels, with what does not count, and against another model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.boxes import CROWD, DIFFICULT
from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Record, metric_difference
from pipeline.placement import Placement
from pipeline.tasks.detection import Detection
from pipeline.tensors import Outputs
from tests.tasks.detection.test_choice import detection
from tests.tasks.tensors_of import tensor

SPECS = tensor("boxes", 5, 4), tensor("classes", 5), tensor("scores", 5)
TASK = detection({"name": "detection", "decode": "postprocess"}, *SPECS)
ONE, TWO = [0.1, 0.1, 0.3, 0.3], [0.5, 0.5, 0.9, 0.9]


def answers(*images: list[tuple[list[float], int, float]]) -> dict[str, np.ndarray]:
    """What a model gives: box, class and score of each detection."""
    found: dict[str, Any] = {
        "boxes": np.zeros((len(images), 5, 4), np.float32),
        "classes": np.zeros((len(images), 5), np.float32),
        "scores": np.zeros((len(images), 5), np.float32),
    }
    for index, rows in enumerate(images):
        for place, (box, number, score) in enumerate(rows):
            found["boxes"][index, place] = box
            found["classes"][index, place], found["scores"][index, place] = number, score
    return found


def objects(*images: list[tuple[list[float], int, int]]) -> np.ndarray:
    """Box, class and flag of each object, as shares of an input of 64×64."""
    found = np.zeros((len(images), 4, 7), np.float32)
    found[..., 4] = -1
    for index, rows in enumerate(images):
        for place, (box, number, flag) in enumerate(rows):
            area = (box[2] - box[0]) * (box[3] - box[1]) * 64 * 64
            found[index, place] = [*box, number, flag, area]
    return found


def judged(outputs: dict[str, np.ndarray], y: np.ndarray, task: Detection = TASK, **besides: Any) -> dict[str, float]:
    return task.reduce(task.finalize(task.statistics(outputs, {"y": y, **besides})))


def test_metrics() -> None:
    outputs = answers([(ONE, 0, 0.9), (TWO, 1, 0.8)], [(TWO, 1, 0.5)])
    y = objects([(ONE, 0, 0), (TWO, 1, 0)], [(TWO, 2, 0)])
    found = judged(outputs, y)
    assert found["ap"] == found["ap50"] == found["ap75"] == pytest.approx(2 / 3)
    assert {name: value for name, value in found.items() if name.startswith("ap_of")} == {
        "ap_of.cat": 1, "ap_of.dog": 1, "ap_of.emu": 0,
    }  # fmt: skip
    assert np.isnan(found["ap_large"])
    assert [metric.label for metric in TASK.metrics] == ["AP", "AP50", "AP75"]
    task = detection({"name": "detection", "decode": "postprocess", "metric": "ap50"}, *SPECS)
    assert task.metrics[0].name == "ap50"


def test_a_wrong_box_costs_as_its_score_says() -> None:
    y = objects([(ONE, 0, 0)])
    assert judged(answers([(TWO, 0, 0.9), (ONE, 0, 0.8)]), y)["ap"] == pytest.approx(0.5)
    assert judged(answers([(TWO, 0, 0.7), (ONE, 0, 0.8)]), y)["ap"] == 1
    assert judged(answers([(TWO, 0, 0.009), (ONE, 0, 0.008)]), y)["ap"] == 0  # below `lowest_score`


@pytest.mark.parametrize("flag", [DIFFICULT, CROWD])
def test_difficult_objects_and_crowds_are_neither_missed_nor_wrongly_found(flag: int) -> None:
    y = objects([(ONE, 0, 0), (TWO, 0, flag)])
    assert judged(answers([(ONE, 0, 0.5)]), y)["ap"] == 1
    assert judged(answers([(ONE, 0, 0.5), (TWO, 0, 0.9)]), y)["ap"] == 1
    quarters = [([0.5, 0.5, 0.7, 0.7], 0, 0.9), ([0.7, 0.7, 0.9, 0.9], 0, 0.8)]
    within = judged(answers([(ONE, 0, 0.5), *quarters]), y)["ap"]
    assert within == pytest.approx(1 if flag == CROWD else 1 / 3)


def test_sizes_are_those_of_the_stored_image() -> None:
    """An image of 640×320 in the upper half of the input: a box of 32 stored pixels is 3.2 of the input."""
    place = Placement(320, 640, 0.0, 0.0, 0.5, 1.0)
    box = [0.05, 0.05, 0.05 + 40 / 320 * 0.5, 0.05 + 40 / 640]
    y = objects([(box, 0, 0)])
    y[0, 0, 6] = 40 * 40
    outputs = answers([(box, 0, 0.9)])
    with_place = judged(outputs, y, y_placement=place.row()[None])
    assert with_place["ap_medium"] == 1
    assert np.isnan(with_place["ap_small"])
    assert judged(outputs, y)["ap_medium"] == 1  # the object's own area says its size
    outputs = answers([(box, 0, 0.9), (TWO, 0, 0.95)])
    assert judged(outputs, y, y_placement=place.row()[None])["ap_medium"] == 1  # the wrong one is large
    assert judged(outputs, y)["ap_medium"] == 1
    assert judged(outputs, y)["ap"] == pytest.approx(0.5)


def test_an_image_without_boxes_counts_and_a_set_without_any_is_refused() -> None:
    y = objects([(ONE, 0, 0)], [])
    assert judged(answers([(ONE, 0, 0.8)], []), y)["ap"] == 1
    assert judged(answers([(ONE, 0, 0.8)], [(ONE, 0, 0.9)]), y)["ap"] == pytest.approx(0.5)
    with pytest.raises(InputError, match="None of the 2 examples has a box that counts"):
        judged(answers([], []), objects([], [(ONE, 0, CROWD)]))


def test_a_class_that_the_model_does_not_have() -> None:
    task = detection({"name": "detection", "decode": "yolo_v8"}, tensor("y", 7, 84))
    outputs = {"y": np.zeros((1, 7, 84), np.float32)}
    with pytest.raises(InputError, match=r"classes 0 to 2 apart, and the target 'y' holds the class 3"):
        task.statistics(outputs, {"y": objects([(ONE, 3, 0)])})


def test_not_a_number() -> None:
    outputs = answers([(ONE, 0, 0.9)], [(ONE, 0, 0.9)])
    outputs["boxes"][1, 0] = np.nan
    with pytest.raises(PipelineError, match="'boxes' holds NaN for 1 of 2 examples"):
        TASK.statistics(outputs, {"y": objects([(ONE, 0, 0)], [])})
    np.testing.assert_array_equal(TASK.agreement(outputs, outputs), [1, 0])


def test_agreement_is_twice_the_matches_by_the_boxes_of_both() -> None:
    shifted = [0.1, 0.1, 0.3, 0.35]
    first = answers([(ONE, 0, 0.9), (TWO, 1, 0.9)], [], [(ONE, 0, 0.9)], [(ONE, 0, 0.9)], [(ONE, 0, 0.29)])
    second = answers([(shifted, 0, 0.4)], [], [(ONE, 1, 0.9)], [(ONE, 0, 0.9), (ONE, 0, 0.8)], [])
    np.testing.assert_allclose(TASK.agreement(first, second), [2 / 3, 1, 0, 2 / 3, 1])
    np.testing.assert_allclose(TASK.agreement(second, first), [2 / 3, 1, 0, 2 / 3, 1])


def test_two_models_are_compared_over_images() -> None:
    good = answers(*([(ONE, 0, 0.9)] for _ in range(20)))
    worse = answers(*([(ONE, 0, 0.9)] if index % 4 else [(TWO, 0, 0.95)] for index in range(20)))
    y = {"y": objects(*([(ONE, 0, 0)] for _ in range(20)))}
    one, two = (TASK.statistics(outputs, y) for outputs in (good, worse))
    found = metric_difference(TASK, two, one)
    assert found.value == TASK.reduce(two)["ap"] - 1 < 0
    assert found.low <= found.value <= found.high < 0
    same = metric_difference(TASK, one, one)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert TASK.resampling(one)(np.ones(20, np.int64)) == TASK.reduce(one)["ap"]


def test_a_record_takes_batches_of_any_size() -> None:
    outputs = answers([(ONE, 0, 0.9)], [(TWO, 1, 0.8)], [])
    y = objects([(ONE, 0, 0)], [(TWO, 1, 0)], [(ONE, 2, 0)])
    record = Record("float", TASK)
    for part in (slice(0, 1), slice(1, 3)):
        record.add(Outputs.of_real(outputs)[part], {"y": y[part]})
    assert record.values == pytest.approx(judged(outputs, y), nan_ok=True)


def test_before_the_activation() -> None:
    section = {"name": "detection", "decode": "yolo_v8", "output": ["b", "s"]}
    specs = tensor("b", 4, 84), tensor("s", 3, 84)
    task = detection(section, *specs, endings={"s": "sigmoid"})
    generator = np.random.default_rng(0)
    logits = {"b": generator.random((2, 4, 84), np.float32), "s": generator.normal(size=(2, 3, 84)).astype(np.float32)}
    whole = logits | {"s": 1 / (1 + np.exp(-logits["s"]))}
    flat = logits | {"s": logits["s"].reshape(2, 1, -1)}
    found = [list(answered) for answered in (task.answers(whole), task.before_activation().answers(logits))]
    found.append(list(task.before_activation().answers(flat)))  # as before a reshape that was cut too
    for one, two, three in zip(*found, strict=True):
        np.testing.assert_array_equal(two.scores, three.scores)
        assert len(one)
        np.testing.assert_array_equal(one.classes, two.classes)
        np.testing.assert_allclose(one.scores, two.scores, rtol=1e-5)


def test_boxes_are_drawn_that_are_answered_and_that_are_labelled() -> None:
    [drawn, nothing] = TASK.drawn_outputs(answers([(TWO, 1, 0.5), (ONE, 0, 0.9), (ONE, 2, 0.02)], []))
    assert drawn.classes.tolist() == [0, 1]
    assert drawn.boxes == pytest.approx(np.array([ONE, TWO]))
    assert drawn.scores == pytest.approx(np.array([0.9, 0.5]))
    assert len(nothing.boxes) == 0
    [label] = TASK.drawn_targets({"y": objects([(ONE, 2, CROWD)])})
    assert label.boxes == pytest.approx(np.array([ONE]))
    assert label.classes.tolist() == [2]
    assert label.scores is None


def test_precision_over_recall_is_at_half_an_overlap_for_each_class_and_model() -> None:
    shifted = [0.1, 0.13, 0.3, 0.33]  # overlaps ONE by 0.74: right at 0.5, wrong at 0.75
    y = objects([(ONE, 0, 0)], [(ONE, 0, 0), (TWO, 1, 0)])
    half = TASK.statistics(answers([(shifted, 0, 0.9)], [(TWO, 0, 0.8)]), {"y": y})
    none = TASK.statistics(answers([], []), {"y": y})
    curves = TASK.curves({"float": half, "int8": none})
    assert sorted(curves) == [0, 1]
    assert curves[0]["float"].tolist() == [1.0] * 51 + [0.0] * 50
    assert not curves[0]["int8"].any()
    assert not curves[1]["float"].any()
