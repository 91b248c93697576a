"""Which decoder reads which outputs, what a recipe may say, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.detection import Detection
from pipeline.tasks.detection.anchors import grid_anchors
from pipeline.tasks.registry import Resolved, resolve
from pipeline.tensors import TensorSpec
from tests.tasks.tensors_of import model, tensor

BOXES = {"y": tensor("y", 9, 7), "y_placement": tensor("y_placement", 6)}
ANCHORS = len(grid_anchors((64, 64)))
NAMES = ("cat", "dog", "emu")


def resolved(
    section: Any,
    *outputs: TensorSpec,
    names: tuple[str, ...] = NAMES,
    endings: dict[str, Any] | None = None,
    targets: dict[str, TensorSpec] = BOXES,
    side: int = 64,
) -> Resolved:
    image = tensor("x", side, side, 3)
    return resolve(section, model(*outputs, inputs=(image,)), endings or {}, {"x": image}, targets, names)


def detection(section: Any, *outputs: TensorSpec, **known: Any) -> Detection:
    task = resolved(section, *outputs, **known).task
    assert isinstance(task, Detection)
    return task


@pytest.mark.parametrize(
    ("decoder", "outputs", "roles"),
    [
        ("ssd", [("a", ANCHORS, 3), ("b", ANCHORS, 4)], {"boxes": "b", "scores": "a"}),
        ("ssd", [("loc", ANCHORS, 1, 4), ("conf", ANCHORS, 4)], {"boxes": "loc", "scores": "conf"}),
        ("centernet", [("hm", 16, 16, 3), ("wh", 16, 16, 2), ("reg", 16, 16, 2)], {"size": "wh", "offset": "reg"}),
        ("centernet", [("hm", 16, 16, 3), ("wh", 16, 16, 2)], {"heatmap": "hm", "size": "wh"}),
        ("fcos", [("a", 86, 4), ("b", 86, 3), ("c", 86, 1)], {"boxes": "a", "scores": "b", "centerness": "c"}),
        ("yolo_v5", [("y", 252, 8)], {"output": "y"}),
        ("yolo_v8", [("y", 7, 84)], {"output": "y"}),
        ("yolo_v8", [("y", 84, 7)], {"output": "y"}),
        (
            "postprocess",
            [("D", 10, 4), ("D:1", 10), ("D:2", 10), ("D:3",)],
            {"boxes": "D", "classes": "D:1", "scores": "D:2", "count": "D:3"},
        ),
    ],
    ids=str,
)
def test_auto_takes_the_decoder_that_the_shapes_fit(
    decoder: str, outputs: list[tuple[Any, ...]], roles: dict[str, str]
) -> None:
    found = resolved("auto", *(tensor(name, *shape) for name, *shape in outputs))
    assert isinstance(found.task, Detection)
    described = found.task.describe()
    assert described["decode"] == decoder
    assert roles.items() <= described.items()
    assert "'y' holds boxes" in found.reason


def test_one_class_more_than_the_data_is_a_background_and_a_softmax() -> None:
    outputs = tensor("boxes", ANCHORS, 4), tensor("scores", ANCHORS, 4)
    described = detection("auto", *outputs).describe()
    assert (described["background"], described["activation"]) == ("first", "softmax")
    plain = detection("auto", *outputs, names=("a", "b", "c", "d"), endings={"scores": "sigmoid"}).describe()
    assert (plain["background"], plain["activation"]) == ("none", "none")


def test_a_box_target_and_outputs_that_say_nothing() -> None:
    found = resolved("auto", tensor("y", 84, 9))
    assert found.task.name == "fidelity"
    assert "though 'y' holds boxes" in found.reason
    with pytest.raises(InputError, match="cannot be told from their shapes"):
        resolved("detection", tensor("y", 84, 9))
    ssd = tensor("boxes", 1917, 4), tensor("scores", 1917, 4)
    assert "1917 boxes, 1917 scores for 510 anchors" in resolved("auto", *ssd).reason


def test_options_are_checked_like_those_of_other_tasks() -> None:
    output = tensor("y", 7, 84)
    task = detection({"name": "detection", "decode": "yolo_v8", "units": "pixels", "score_threshold": 0.4}, output)
    assert task.score_threshold == 0.4
    assert task.describe()["units"] == "pixels"
    for section, match in (
        ({"decode": "yolo_v9"}, "no decoder 'yolo_v9'. Did you mean 'yolo_v8'"),
        ({"decode": "yolo_v8", "unit": "pixels"}, "no option 'unit'. Did you mean 'units'"),
        ({"decode": "yolo_v8", "units": "px"}, "task.units: input should be 'shares' or 'pixels', not 'px'"),
        ({"decode": "yolo_v8", "iou_threshold": 2}, "task.iou_threshold: input should be less than or equal to 1"),
        ({"decode": "yolo_v8", "output": "z"}, "task.output names the output 'z', which the model does not have"),
        ({"decode": "yolo_v8", "metric": "map"}, "task.metric"),
        ({"decode": 8}, "a decoder's name or module:function"),
        ({"unit": "pixels"}, "no option 'unit'. Did you mean 'units'"),
        ({"box_format": "hwyx"}, "task.box_format: input should be 'xywh'"),
        ({"decode": "ssd", "anchors": 7}, "task.anchors: input should be a valid string or .* dictionary, not 7"),
        ({"decode": "ssd", "boxes": "y", "scores": "y"}, "names the output 'y' twice"),
        ({"decode": "ssd", "boxes": []}, r"an output's name, or a list of names, not \[\]"),
    ):
        with pytest.raises(InputError, match=match):
            resolved({"name": "detection", **section}, output)


def test_what_does_not_fit_together() -> None:
    boxes, scores = tensor("boxes", 100, 4), tensor("scores", 100, 3)
    with pytest.raises(InputError, match=rf"100 boxes, 100 scores for {ANCHORS} anchors"):
        resolved({"name": "detection", "decode": "ssd"}, boxes, scores)
    with pytest.raises(InputError, match=r"The data has 3 classes .* tells 2 apart"):
        resolved({"name": "detection", "decode": "ssd"}, tensor("boxes", ANCHORS, 4), tensor("scores", ANCHORS, 2))
    with pytest.raises(InputError, match=r"reads heatmap .* the model's outputs are 'boxes'"):
        resolved({"name": "detection", "decode": "centernet"}, boxes, scores)
    with pytest.raises(InputError, match=r"data\.targets\.label\.kind=boxes"):
        resolved({"name": "detection"}, tensor("y", 7, 84), targets={"label": tensor("label", dtype="int64")})
    maps = [tensor(name, 16, 16, 2) for name in ("a", "b", "c")]
    with pytest.raises(InputError, match=r"cannot be told from their shapes\. Name them in the task"):
        resolved({"name": "detection", "decode": "centernet"}, *maps, names=("one", "two"))


def test_names_of_outputs_go_before_their_shapes() -> None:
    maps = [tensor(name, 16, 16, 2) for name in ("a", "b", "c")]
    section = {"name": "detection", "decode": "centernet", "heatmap": "c", "size": "a"}
    described = detection(section, *maps, names=("one", "two")).describe()
    assert (described["heatmap"], described["size"], described["offset"]) == ("c", "a", "b")


def test_a_target_that_is_named_goes_before_boxes() -> None:
    mask = {"m": TensorSpec("m", (-1, 64, 64), np.dtype(np.int32)), "m_placement": tensor("m_placement", 6)}
    both = {**BOXES, **mask}
    output = tensor("y", 32, 32, 3)
    assert resolved({"name": "auto", "target": "m"}, output, targets=both).task.name == "segmentation"
    assert resolved({"name": "auto", "target": "y"}, tensor("y", 7, 84), targets=both).task.name == "detection"


def test_a_number_of_boxes_that_is_open() -> None:
    assert detection("auto", tensor("y", 7, -1)).describe()["decode"] == "yolo_v8"
    assert detection("auto", tensor("y", -1, 8)).describe()["decode"] == "yolo_v5"


def test_no_image_no_anchors() -> None:
    with pytest.raises(InputError, match="one image input of a known height and width"):
        resolve("detection", model(tensor("y", 7, 84)), {}, {"x": tensor("x", 4)}, BOXES, NAMES)


def test_masks_and_points() -> None:
    mask = {"m": TensorSpec("m", (-1, 64, 64), np.dtype(np.int32)), "m_placement": tensor("m_placement", 6)}
    found = resolved("auto", tensor("y", 32, 32, 3), targets=mask, endings={"y": "softmax"})
    assert found.task.name == "segmentation"
    assert found.reason == (
        "segmentation, since 'm' holds a mask for each example, and the output 'y' is [?, 32, 32, 3]."
    )
    points = {"p": tensor("p", 21, 3), "p_placement": tensor("p_placement", 6)}
    for output in (tensor("y", 42), tensor("y", 63), tensor("y", 21, 2), tensor("y", 16, 16, 21)):
        assert resolved("auto", output, targets=points, names=()).task.name == "keypoints"
    assert resolved("auto", tensor("y", 7), targets=points, names=()).task.name == "fidelity"
