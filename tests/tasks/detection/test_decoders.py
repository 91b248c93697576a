"""Outputs as exporters lay them out, and the boxes that they mean."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.detection.box_coding import to_centres
from tests.tasks.detection.test_anchors import FACE_MASKS
from tests.tasks.detection.test_choice import detection
from tests.tasks.tensors_of import tensor

BOXES = np.float32([[0.1, 0.2, 0.5, 0.4], [0.3, 0.6, 0.9, 1.0]])
SCORES = np.float32([[0.9, 0.02, 0.1], [0.05, 0.6, 0.2]])
NOTHING = 98
"""Rows of boxes that are none."""


def rows(*columns: np.ndarray) -> np.ndarray:
    """[1, N, values] with the two boxes first."""
    table = np.concatenate(columns, axis=-1)
    rest = np.zeros((NOTHING, table.shape[1]), np.float32)
    rest[:, :4] = table[0, :4]
    return np.concatenate([table, rest])[None]


def xywh(scale: float = 1) -> np.ndarray:
    return to_centres(BOXES)[:, (1, 0, 3, 2)] * np.float32(scale)


def check(section: dict[str, Any], outputs: dict[str, np.ndarray], **known: Any) -> None:
    specs = [tensor(name, *array.shape[1:], dtype=str(array.dtype)) for name, array in outputs.items()]
    [found] = detection({"name": "detection", **section}, *specs, **known).answers(outputs)
    assert found.classes.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, BOXES, atol=1e-6)
    np.testing.assert_allclose(found.scores, [0.9, 0.6], rtol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("section", "boxes"),
    [
        ({}, xywh()),
        ({"units": "pixels"}, xywh(64)),
        ({"box_format": "yxhw"}, to_centres(BOXES)),
        ({"box_format": "xyxy", "units": "pixels"}, BOXES[:, (1, 0, 3, 2)] * 64),
        ({"box_format": "yxyx"}, BOXES),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_yolo_v8(section: dict[str, Any], boxes: np.ndarray, turned: bool) -> None:
    table = rows(boxes, SCORES)
    check({"decode": "yolo_v8", **section}, {"y": table.transpose(0, 2, 1) if turned else table})


def test_yolo_v8_of_two_outputs_which_int8_needs() -> None:
    table = rows(xywh(), SCORES).transpose(0, 2, 1)
    outputs = {"b": table[:, :4], "s": table[:, 4:]}
    check({"decode": "yolo_v8", "output": ["b", "s"]}, outputs)
    turned = {name: array.transpose(0, 2, 1) for name, array in outputs.items()}
    check({"decode": "yolo_v8", "output": ["b", "s"]}, turned)


def test_yolo_v5_multiplies_by_objectness() -> None:
    sure = np.float32([[0.9], [0.75]])
    check({"decode": "yolo_v5"}, {"y": rows(xywh(), sure, SCORES / sure)})


@pytest.mark.parametrize("form", ["h,w,a*v", "h,w,a,v", "a,h,w,v"])
def test_yolo_v5_raw_grids(form: str) -> None:
    """One object a grid; by models/yolo.py: xy = (2σ − 0.5 + cell) · stride, wh = (2σ)² · anchor."""
    sides = [8, 4]
    anchors = [[[10, 13], [16, 30]], [[33, 23], [62, 45]]]
    outputs = {}
    for level, side in enumerate(sides):
        grid = np.full((1, side, side, 2, 8), -20, np.float32)
        centre = to_centres(BOXES)[level]
        row, column = int(centre[0] * side), int(centre[1] * side)
        size = np.array(anchors[level][1])[::-1] / 64
        place = (centre[:2] * side - [row, column] + 0.5) / 2
        share = np.sqrt(centre[2:] / size) / 2
        wanted = np.array([place[1], place[0], share[1], share[0], 0.9999999, *np.clip(SCORES[level], 1e-6, 1)])
        grid[0, row, column, 1] = np.log(wanted / (1 - wanted))
        shaped = {
            "h,w,a*v": grid.reshape(1, side, side, 16),
            "h,w,a,v": grid,
            "a,h,w,v": grid.transpose(0, 3, 1, 2, 4),
        }
        outputs[f"grid{level}"] = shaped[form]
    check({"decode": "yolo_v5", "anchors": anchors}, dict(reversed(outputs.items())))


def test_the_operator_of_tensorflow_lite() -> None:
    outputs = {
        "boxes": np.concatenate([BOXES, BOXES])[None],
        "classes": np.float32([[0, 1, 1, 0]]),
        "scores": np.float32([[0.9, 0.6, 0.5, 0.4]]),
        "count": np.float32([2]),
    }
    check({"decode": "postprocess"}, outputs)
    again = outputs | {"classes": np.float32([[1, 2, 2, 1]])}
    check({"decode": "postprocess", "first_class": 1}, again)
    swapped = outputs | {"boxes": outputs["boxes"][..., (1, 0, 3, 2)]}
    check({"decode": "postprocess", "box_format": "xyxy"}, swapped)


def test_what_the_model_suppressed_is_not_suppressed_again() -> None:
    outputs = {
        "boxes": BOXES[:1].repeat(2, axis=0)[None],
        "classes": np.float32([[0, 0]]),
        "scores": np.float32([[0.9, 0.6]]),
    }
    specs = [tensor(name, *array.shape[1:]) for name, array in outputs.items()]
    [found] = detection({"name": "detection", "decode": "postprocess"}, *specs).answers(outputs)
    assert len(found) == 2


def test_a_peak_of_equal_neighbours_is_one_object() -> None:
    heat = np.zeros((1, 16, 16, 3), np.float32)
    heat[0, 4, 4:6, 0] = 0.9
    heat[0, 10, 10, 1], heat[0, 10, 11, 1] = 0.6, 0.5
    size = np.full((1, 16, 16, 2), 0.25, np.float32)
    outputs = {"heatmap": heat, "size": size}
    specs = [tensor(name, *array.shape[1:]) for name, array in outputs.items()]
    task = detection({"name": "detection", "decode": "centernet"}, *specs, endings={"heatmap": "sigmoid"})
    [found] = task.answers(outputs)
    assert found.classes.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes[0], [4.5 / 16 - 0.125, 4.5 / 16 - 0.125, 4.5 / 16 + 0.125, 4.5 / 16 + 0.125])


def test_of_two_equal_neighbours_the_one_with_higher_surroundings_is_the_peak() -> None:
    heat = np.zeros((1, 16, 16, 3), np.float32)
    heat[0, 4, 4:7, 0] = 0.75, 0.75, 0.5
    heat[0, 10:13, 10, 1] = 0.25, 0.5, 0.5
    heat[0, 13, 10, 1] = 0.375
    outputs = {"heatmap": heat, "size": np.full((1, 16, 16, 2), 0.25, np.float32)}
    specs = [tensor(name, *array.shape[1:]) for name, array in outputs.items()]
    task = detection({"name": "detection", "decode": "centernet"}, *specs, endings={"heatmap": "sigmoid"})
    [found] = task.answers(outputs)
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    np.testing.assert_allclose(centres * 16, [[4.5, 5.5], [12.5, 10.5]], atol=1e-5)


def test_a_face_mask_detector() -> None:
    """Offsets of x, y, width, height by variances from 5972 anchors, and probabilities, as AIZOO has it."""
    loc, cls = np.zeros((1, 5972, 4), np.float32), np.zeros((1, 5972, 2), np.float32)
    cls[0, 4000, 1] = 0.9
    loc[0, 4000] = [1, 2, 0.5, -0.5]
    section = {"name": "detection", "decode": "ssd", "anchors": FACE_MASKS, "order": "xywh", "activation": "none"}
    specs = tensor("loc_branch_concat", 5972, 4), tensor("cls_branch_concat", 5972, 2)
    task = detection(section, *specs, names=("mask", "no mask"))
    [found] = task.answers({"loc_branch_concat": loc, "cls_branch_concat": cls})
    y, x, height, width = task.decoder._anchors[4000]  # type: ignore[attr-defined]
    centre = y + 0.2 * height, x + 0.1 * width
    sides = height * np.exp(-0.1), width * np.exp(0.1)
    expected = [c - s / 2 for c, s in zip(centre, sides, strict=True)]
    expected += [c + s / 2 for c, s in zip(centre, sides, strict=True)]
    np.testing.assert_allclose(found.boxes, [expected], rtol=1e-5)
    assert found.classes.tolist() == [1]


def test_blazeface() -> None:
    """Pixels of the input from the anchors' centres, 16 values a face of which four are the box, and logits."""
    regressors, scores = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -50, np.float32)
    regressors[0, 728, :4] = [6.4, -12.8, 32, 64]
    scores[0, 728] = 2
    section = {"name": "detection", "decode": "ssd", "anchors": {"rule": "mediapipe"}, "order": "xywh"}
    section |= {"sizes": "linear", "variances": [1 / 128] * 4}
    specs = tensor("regressors", 896, 16), tensor("classificators", 896, 1)
    task = detection(section, *specs, names=("face",), side=128)
    [found] = task.answers({"regressors": regressors, "classificators": scores})
    y, x = task.decoder._anchors[728, :2]  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        found.boxes, [[y - 0.1 - 0.25, x + 0.05 - 0.125, y - 0.1 + 0.25, x + 0.05 + 0.125]], atol=1e-6
    )
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2))], rtol=1e-6)
    assert task.losses == {}


def test_an_ssd_level_by_level() -> None:
    """Raw heads, [h, w, anchors · values]: what the whole is cut into for int8."""
    whole = {"boxes": np.zeros((1, 510, 4), np.float32), "scores": np.zeros((1, 510, 3), np.float32)}
    generator = np.random.default_rng(0)
    whole = {name: generator.random(array.shape, np.float32) for name, array in whole.items()}
    joined = detection("auto", tensor("boxes", 510, 4), tensor("scores", 510, 3), endings={"scores": "sigmoid"})
    parts, start = {}, 0
    for side in (8, 4, 2, 1):
        end = start + side * side * 6
        for name, array in whole.items():
            parts[f"{name}{side}"] = array[:, start:end].reshape(1, side, side, -1)
        start = end
    names = {name: [f"{name}{side}" for side in (8, 4, 2, 1)] for name in whole}
    specs = [tensor(name, *array.shape[1:]) for name, array in parts.items()]
    section = {"name": "detection", "decode": "ssd", "activation": "none", **names}
    [one], [two] = joined.answers(whole), detection(section, *specs).answers(parts)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(one.scores, two.scores)


class TestWrongLayouts:
    """A recipe that says something else of an export than what it is."""

    @staticmethod
    def refused(section: dict[str, Any], outputs: dict[str, np.ndarray], match: str, **known: Any) -> None:
        specs = [tensor(name, *array.shape[1:]) for name, array in outputs.items()]
        with pytest.raises(InputError, match=match):
            list(detection({"name": "detection", **section}, *specs, **known).answers(outputs))

    def test_units(self) -> None:
        self.refused({"decode": "yolo_v8"}, {"y": rows(xywh(64), SCORES)}, "say `units: pixels`")
        self.refused({"decode": "yolo_v8", "units": "pixels"}, {"y": rows(xywh(), SCORES)}, "say `units: shares`")

    def test_another_version(self) -> None:
        eight = {"y": rows(xywh(), SCORES)}
        self.refused({"decode": "yolo_v5"}, eight, "of the 7 values of a box 2 would be classes, where 3 are expected")
        five = {"y": rows(xywh(), np.ones((2, 1), np.float32), SCORES)}
        self.refused({"decode": "yolo_v8"}, five, "of the 8 values of a box 4 would be classes, where 3 are expected")
        grids = {"a": np.zeros((1, 8, 8, 24), np.float32), "b": np.zeros((1, 4, 4, 24), np.float32)}
        self.refused({"decode": "yolo_v5"}, grids, "2 grids and `anchors` 3 levels")

    def test_a_model_of_more_classes_than_the_data(self) -> None:
        more = rows(xywh(), np.concatenate([SCORES, np.zeros((2, 77), np.float32)], axis=1))
        self.refused({"decode": "yolo_v8"}, {"y": more}, "`model_classes: 80`")
        check({"decode": "yolo_v8", "model_classes": 80}, {"y": more})

    def test_rows_for_columns(self) -> None:
        table = rows(xywh(), SCORES)
        self.refused(
            {"decode": "yolo_v8", "layout": "values_first"}, {"y": table}, "96 would be classes, where 3 are expected"
        )

    def test_logits_for_probabilities(self) -> None:
        logits = {"y": rows(xywh(), np.log(SCORES / (1 - SCORES)))}
        self.refused({"decode": "yolo_v8"}, logits, "activation: sigmoid")
        check({"decode": "yolo_v8", "activation": "sigmoid", "score_threshold": 0.55}, logits)

    def test_probabilities_for_logits(self) -> None:
        outputs = {"boxes": np.zeros((1, 510, 4), np.float32), "scores": np.full((1, 510, 3), 0.25, np.float32)}
        outputs["scores"][0, 0] = 0.75
        self.refused({"decode": "ssd"}, outputs, "probabilities already")


class TestOwn:
    """A function of the user's."""

    @pytest.fixture(autouse=True)
    def module(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        module = ModuleType("my_decoder")
        module.__dict__.update(
            {
                "scores": lambda outputs: (outputs["y"][..., :4], outputs["y"][..., 4:]),
                "classes": lambda outputs: (
                    outputs["y"][..., :4],
                    outputs["y"][..., 4:].max(-1),
                    outputs["y"][..., 4:].argmax(-1),
                ),
                "one": lambda outputs: outputs["y"],
                "flat": lambda outputs: (outputs["y"][..., :4], outputs["y"][0]),
                "broken": lambda outputs: outputs["z"],
                "number": 7,
            }
        )
        monkeypatch.setitem(sys.modules, "my_decoder", module)
        return module

    @pytest.mark.parametrize("name", ["scores", "classes"])
    def test_gives_boxes_and_scores(self, name: str) -> None:
        check({"decode": f"my_decoder:{name}"}, {"y": rows(BOXES, SCORES)})

    @pytest.mark.parametrize(
        ("name", "match"),
        [
            ("score", "no 'score' .* Did you mean 'scores'"),
            ("number", "is int, not a function"),
            ("one", "it is to give boxes"),
            ("flat", r"gave \[1, 100, 4\] and \[100, 7\] for 1 examples"),
            ("broken", r"raised KeyError: 'z'. It was given 'y' \[1, 100, 7\]"),
        ],
    )
    def test_is_held_to_what_it_is_to_give(self, name: str, match: str) -> None:
        with pytest.raises(InputError, match=match):
            check({"decode": f"my_decoder:{name}"}, {"y": rows(BOXES, SCORES)})

    def test_module_that_is_not_there(self) -> None:
        with pytest.raises(InputError, match="cannot be imported"):
            check({"decode": "no_such_module:f"}, {"y": rows(BOXES, SCORES)})
