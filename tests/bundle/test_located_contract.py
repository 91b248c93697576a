"""What the contract of a detector, a segmenter and a model of points says, and its golden answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.bundle.decoder_code import Anchors, code_of
from pipeline.bundle.detection_answer import DetectionAnswer
from pipeline.bundle.literals import Literals
from pipeline.data import load
from pipeline.data.resize import geometry
from pipeline.errors import InputError
from pipeline.tasks.detection import DECODERS
from pipeline.tasks.registry import resolve
from pipeline.tensors import Tensors
from pipeline.tflite.metadata import read as read_metadata
from pipeline.tflite.runner import Runner
from tests.bundle.located_models import (
    DETECTORS,
    SIZE,
    THREE,
    Head,
    described,
    detector,
    heads,
    of_points,
    segmenter,
)
from tests.bundle.models import classifier
from tests.bundle.models import described as described_classifier
from tests.bundle.test_bundle import array, packed
from tests.bundle.test_named_contract import contract_of

JAVA = "java/main/dev/kerasint8/contract"


def of(content: bytes, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The bundle's files, and its contract.json."""
    model = folder / "m.tflite"
    model.write_bytes(content)
    found = packed(model)
    return found, json.loads(found["contract.json"])


def real_outputs(found: dict[str, bytes], answer: dict[str, Any], runner: Runner) -> dict[str, np.ndarray]:
    return {spec.name: spec.dequantize(array(found, answer["outputs"][spec.name])) for spec in runner.outputs}


def test_a_detector_s_contract_has_all_that_decoding_takes(tmp_path: Path) -> None:
    found, contract = of(detector("ssd", tmp_path), tmp_path)
    located = contract["located"]
    assert (located["kind"], located["decode"]) == ("boxes", "ssd")
    assert (located["boxes"], located["scores"]) == ("boxes", "scores")
    assert (located["score_threshold"], located["iou_threshold"], located["max_boxes"]) == (0.6, 0.5, 100)
    assert (located["variances"], located["activation"]) == ([0.1, 0.1, 0.2, 0.2], "sigmoid")
    anchors = located["anchors_made"]
    assert anchors["count"] == 64
    assert [level["cells"] for level in anchors["levels"]] == [[4, 3], [2, 2]]
    assert anchors["levels"][1]["sizes"][0] == [8 / 16, 8 / 12]
    assert located["placement"]["fit"] == "pad"
    assert located["labels"] == list(THREE)
    assert found["labels.txt"].decode().splitlines() == list(THREE)
    assert b"answers.csv" in found["README.txt"]


def test_golden_boxes_are_the_task_s_in_pixels_of_the_photo(tmp_path: Path) -> None:
    content = detector("centernet", tmp_path)  # cropped: boxes reach beyond the input's edges in the photo
    found, contract = of(content, tmp_path)
    located = contract_of(content).located
    assert isinstance(located, DetectionAnswer)
    runner, answers = Runner(content), contract["golden"]["answers"]
    assert [answer["drawn"] for answer in answers] == [False, False, False, True, True]
    for answer in answers:
        height, width = answer["photo"]
        boxes = array(found, answer["boxes"])
        (wanted,) = located.task.answers(real_outputs(found, answer, runner))
        assert 0 < len(boxes) <= len(wanted)
        place = geometry((height, width), SIZE, "crop").placement
        corners = place.to_image(wanted.boxes.astype(np.float64).reshape(-1, 2, 2)).reshape(-1, 4)
        clipped = np.clip(corners, 0, [height, width, height, width])
        inside = (clipped[:, 0] < clipped[:, 2]) & (clipped[:, 1] < clipped[:, 3])
        np.testing.assert_array_equal(boxes[:, 0], wanted.classes[inside])
        np.testing.assert_array_equal(boxes[:, 1], wanted.scores[inside])
        np.testing.assert_allclose(boxes[:, 2:], clipped[inside], rtol=1e-6)
        photo = contract["golden"]["examples"][0]["inputs"]["photo"]["stored"]["shape"]
        assert answers[0]["photo"] == photo[:2] != list(SIZE)


def test_golden_masks_have_the_photo_s_size_and_say_what_was_not_seen(tmp_path: Path) -> None:
    found, contract = of(segmenter("scores of the input's height, cropped"), tmp_path)
    answer = contract["golden"]["answers"][3]  # broader than the input: left and right are cut off
    mask = array(found, answer["mask"])
    assert list(mask.shape) == answer["photo"]
    assert (mask[:, 0] == 255).all()
    assert mask[:, mask.shape[1] // 2].max() < 3
    assert contract["located"]["resize"].startswith("bilinear")


def test_golden_points_are_in_pixels_of_the_photo(tmp_path: Path) -> None:
    content = of_points("in pixels, x first, with a score, flat")
    found, contract = of(content, tmp_path)
    runner, answer = Runner(content), contract["golden"]["answers"][0]
    values = real_outputs(found, answer, runner)["points"].reshape(5, 3)
    places = geometry(tuple(answer["photo"]), SIZE, "crop").placement.to_image(values[:, 1::-1] / np.array(SIZE))
    np.testing.assert_allclose(array(found, answer["points"])[:, :2], places, rtol=1e-5)
    np.testing.assert_array_equal(array(found, answer["points"])[:, 2], values[:, 2])


def test_golden_photos_come_from_the_data_and_keep_their_size(tmp_path: Path) -> None:
    preprocess = {"size": list(SIZE), "channels": 3, "fit": "pad", "padding": 114, "scale": "0..1"}
    data = {"source": "digit_scenes", "limit": 24, "preprocess": preprocess}
    recipe = recipes.parse({"name": "scenes", "model": {}, "data": data})
    model = tmp_path / "m.tflite"
    model.write_bytes(heads({"output": Head((14, 20), 0, 1)}))
    task = DETECTORS["yolo_v8, values first"][1]
    signature = Runner(model).signature
    made = resolve(task, signature, {}, {}, load(recipe.data).targets, tuple("0123456789")).task
    found = packed(model, recipe=recipe, task=made)
    contract = json.loads(found["contract.json"])
    assert (contract["located"]["labels"], contract["located"]["placement"]["fit"]) == (list("0123456789"), "pad")
    example, answer = contract["golden"]["examples"][0], contract["golden"]["answers"][0]
    assert example["origin"] == "test[0]"
    assert answer["photo"] == example["inputs"]["photo"]["stored"]["shape"][:2]
    top = array(found, example["inputs"]["photo"]["values"])[0]
    assert (top == 114).all()  # the letterbox, since the input is higher than the photo


def test_names_of_classes_travel_with_a_model_that_has_no_value_for_each(tmp_path: Path) -> None:
    content = detector("yolo_v8, values first", tmp_path)
    metadata = read_metadata(content)
    assert metadata is not None
    assert metadata.labels == THREE
    java = of(content, tmp_path)[0][f"{JAVA}/Contract.java"].decode()
    assert r'"ant", "bee", "c\u0024t \"the third\""' in java


def test_a_bundle_holds_only_the_code_of_its_own_decoder(tmp_path: Path) -> None:
    found, _ = of(detector("yolo_v5", tmp_path), tmp_path)
    names = {Path(name).stem for name in found if name.startswith(JAVA)}
    assert {"YoloDecoder", "Suppression", "Placement", "Detection"} <= names
    assert not {"SsdDecoder", "Anchors", "CenterNetDecoder", "Segments", "Keypoint"} & names


def test_a_classifier_s_bundle_knows_nothing_of_photos(tmp_path: Path) -> None:
    found, contract = of(described_classifier(classifier("int8", ending="SOFTMAX")), tmp_path)
    assert "located" not in contract
    assert "answers" not in contract["golden"]
    assert not [name for name in found if "answers" in name or "Placement" in name]


def test_every_decoder_of_the_task_has_code() -> None:
    written = {task["decode"] for _, task, _ in DETECTORS.values()}
    assert written == set(DECODERS)


def test_anchors_of_a_file_fit_into_a_class_file() -> None:
    values = np.random.default_rng(0).uniform(size=(8732, 4)).astype(np.float32)
    text = Anchors(values, None).write(Literals(java=True))
    parts = [part for part in text.split('"') if len(part) > 2][1:]
    assert max(map(len, parts)) < 65535
    bits = np.array([int(bits, 16) for bits in map("".join, zip(*[iter("".join(parts))] * 8, strict=True))], np.uint32)
    np.testing.assert_array_equal(bits.view(np.float32).reshape(-1, 4), values)


def decode_own(outputs: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of a whole input each, with its scores."""
    scores = outputs["scores"]
    return np.broadcast_to(np.float32([0, 0, 1, 1]), (*scores.shape[:2], 4)), scores


def test_a_decoder_of_one_s_own_has_golden_boxes_and_no_code(tmp_path: Path) -> None:
    task = {"name": "detection", "decode": "tests.bundle.test_located_contract:decode_own"}
    found, contract = of(described(heads({"scores": Head((9, 3), 0, 1)}), task, THREE), tmp_path)
    located = contract_of((tmp_path / "m.tflite").read_bytes()).located
    assert isinstance(located, DetectionAnswer)
    assert code_of(located.task.decoder) is None
    boxes = array(found, contract["golden"]["answers"][0]["boxes"])
    assert 1 <= len(boxes) <= 3  # one a class: all overlap
    assert f"{JAVA}/Suppression.java" not in found
    assert "detections(" not in found[f"{JAVA}/Contract.java"].decode()
    assert b"there is no code" in found["README.txt"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (DETECTORS["ssd"][1] | {"anchors": {"strides": [4]}}, "64 boxes.*for 72 anchors|`anchors` must be those"),
        (DETECTORS["ssd"][1] | {"boxes": "bokses"}, "names the output 'bokses'"),
        (DETECTORS["ssd"][1] | {"anchors": "gone.npy"}, "gone.npy cannot be read"),
        ({"name": "detection", "decode": "nonsense"}, "no decoder 'nonsense'"),
        ({"name": "segmentation", "output": "boxes"}, "Segmentation reads scores"),
        ({"name": "keypoints", "output": "boxes", "points": 5}, "Keypoints are coordinates"),
    ],
)
def test_a_task_that_the_outputs_do_not_fit_is_refused(task: dict[str, Any], message: str, tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(described(heads(DETECTORS["ssd"][0]), task, THREE))
    with pytest.raises(InputError, match=message):
        packed(model)
    assert not (tmp_path / "out" / "b.zip").exists()
