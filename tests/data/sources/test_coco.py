"""COCO's JSON in the layouts that people have, and what is wrong with other people's."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.boxes import AREA, CLASS, CROWD, FLAG
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

CATEGORIES = [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}]
ANNOTATION = {
    "category_id": 3,
    "bbox": [4, 2, 6, 5],
    "area": 17.5,
    "iscrowd": 0,
    "segmentation": [[4, 2, 10, 2, 10, 7, 4, 7]],
    "keypoints": [5, 3, 2, 0, 0, 0],
}


def content(count: int = 12, start: int = 0) -> dict[str, Any]:
    images = [
        {"id": 10 + n, "file_name": f"{n:02}.png", "height": 12, "width": 16} for n in range(start, start + count)
    ]
    notes = [{"id": n, "image_id": image["id"], **ANNOTATION} for n, image in enumerate(images) if n != 1]
    return {"images": images, "annotations": deepcopy(notes), "categories": deepcopy(CATEGORIES)}


@pytest.fixture
def images(tmp_path, make_image):
    def made(folder: str = "", numbers: range = range(12)) -> Path:
        for number in numbers:
            make_image(tmp_path / folder / f"{number:02}.png", colour=number, size=(12, 16))
        return tmp_path

    return made


def write(path: Path, found: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    return path


def read(path: Path, **section) -> Dataset:
    return load(Data.model_validate({"source": "coco", "path": path} | section))


def stored(data: Dataset) -> list[np.ndarray]:
    return [examples.targets["y"][index] for examples in data.splits.values() for index in range(len(examples))]


def test_one_file_beside_its_images(images):
    root = images()
    path = write(root / "all.json", content())
    for place in (root, path):
        data = read(place)
        assert data.class_names == ("cat", "dog")  # in the order of their ids
        boxes = stored(data)
        assert sorted(map(len, boxes)) == [0] + [1] * 11
        np.testing.assert_allclose(next(one for one in boxes if len(one)), [[2, 4, 7, 10, 1, 0, 17.5]])


@pytest.mark.parametrize(
    ("train", "val", "folders"),
    [
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json", ("train2017", "val2017")),
        (
            "annotations/instances_train2017.json",
            "annotations/instances_val2017.json",
            ("images/train2017", "images/val2017"),
        ),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json", ("train", "valid")),
        ("train.json", "val.json", ("images", "images")),
    ],
)
def test_layouts_with_a_file_a_split(images, train, val, folders):
    root = images(folders[0])
    images(folders[1], range(20, 23))
    write(root / train, content())
    write(root / val, content(3, 20))
    data = read(root)
    assert data.size("validation") == 3
    assert sum(map(len, data.splits.values())) == 15


def test_annotations_are_where_the_recipe_says(images):
    root = images("pictures")
    write(root / "a.json", content())
    write(root / "b.json", content())
    with pytest.raises(InputError, match="which is which split"):
        read(root)
    data = read(root / "pictures", annotations={"train": "../a.json"})
    assert sum(map(len, data.splits.values())) == 12


def test_a_crowd_is_flagged_and_a_mask_drawn(images):
    found = content()
    found["annotations"][0] |= {"iscrowd": 1, "segmentation": {"size": [12, 16], "counts": [12, 24, 156]}}
    root = images()
    write(root / "all.json", found)
    assert sum(row[FLAG] == CROWD for boxes in stored(read(root)) for row in boxes) == 1
    data = read(root, targets={"y": {"kind": "mask"}})
    assert data.class_names == ("background", "cat", "dog")
    masks = stored(data)
    polygon, crowd, empty = np.zeros((3, 12, 16), int)
    polygon[2:7, 4:10] = 2
    crowd[:, 1:3] = 2
    for expected, count in ((polygon, 10), (crowd, 1), (empty, 1)):
        assert sum(np.array_equal(mask, expected) for mask in masks) == count


def test_packed_run_lengths_are_those_of_pycocotools(images):
    from pycocotools import mask as coco

    drawn = np.random.default_rng(0).random((12, 16)) > 0.4
    packed = coco.encode(np.asfortranarray(drawn.astype(np.uint8)))
    found = content()
    for annotation in found["annotations"]:
        annotation["segmentation"] = {"size": [12, 16], "counts": packed["counts"].decode()}
    root = images()
    write(root / "all.json", found)
    mask = next(one for one in stored(read(root, targets={"y": {"kind": "mask"}})) if one.any())
    np.testing.assert_array_equal(mask > 0, drawn)


def test_points_are_those_of_the_one_object(images):
    root = images()
    write(root / "all.json", content())
    data = read(root, targets={"y": {"kind": "points"}})
    assert data.known["y"].class_names == ("nose", "tail")
    assert data.class_names == ()
    points = stored(data)
    assert sum(np.array_equal(one, [[3, 5, 2], [0, 0, 0]]) for one in points) == 11
    found = content()
    found["annotations"].append(found["annotations"][0])
    write(root / "all.json", found)
    with pytest.raises(InputError, match="1 images have several objects"):
        read(root, targets={"y": {"kind": "points"}})


def test_changing_one_box_changes_the_fingerprint(images):
    root = images()
    found = content()
    write(root / "all.json", found)
    before = read(root).fingerprint
    write(root / "all.json", json.dumps(found, indent=1))
    assert read(root).fingerprint == before
    found["annotations"][4]["bbox"][0] += 1
    write(root / "all.json", found)
    assert read(root).fingerprint != before


def change(**changes: Any) -> Any:
    def changed(found: dict[str, Any]) -> None:
        found["annotations"][4].update(changes)

    return changed


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (change(bbox=[1, 2, 3]), r"annotations\[4\] has no bbox"),
        (change(bbox=[1, 2, "3", 4]), r"annotations\[4\] has no bbox"),
        (change(bbox=[1, 2, 3, 10**400]), r"annotations\[4\] has no bbox"),
        (change(bbox=[4, 2, 0, 5]), r"1 empty.*annotations\[4\]"),
        (change(bbox=[4, 2, -3, 5]), "1 reversed"),
        (change(bbox=[4, 2, 30, 5]), "1 outside"),
        (change(category_id=9), "category_id 9"),
        (change(image_id=99), r"1 annotations name images .*image_id 99"),
        (change(image_id=None), r"annotations\[4\] has no image_id"),
        (change(keypoints=[1, 2]), "keypoints that are not"),
        (lambda found: found.pop("annotations"), "no list of annotations"),
        (lambda found: found.pop("images"), "no COCO file"),
        (lambda found: found["images"].append(found["images"][0]), "of another image"),
        (lambda found: found["images"][2].update(file_name="gone.png"), r"1 annotated image is not there: gone\.png"),
        (lambda found: found["images"][2].update(height=480, width=640), "of an image of 480 x 640"),
        (lambda found: found["categories"].append({"id": 4, "name": "dog"}), "of another category"),
    ],
)
def test_what_is_wrong_is_named(images, spoil, why):
    found = content()
    spoil(found)
    root = images()
    write(root / "all.json", found)
    with pytest.raises(InputError, match=why):
        read(root)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", '{"images": 3}', '{"images": [NaN]}', "\x00\x01"])
def test_what_is_no_coco_file_is_named(images, text):
    root = images()
    write(root / "all.json", text)
    with pytest.raises(InputError, match=r"all\.json"):
        read(root)


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3]],
        [[1, 2, 3, 4, 5, "x"]],
        {"size": [12, 16], "counts": [5]},
        {"size": [12], "counts": [192]},
        {"size": [12, 16], "counts": "~~"},
        7,
        [1, 2],
        {"size": [10**6, 10**6], "counts": ""},
    ],
)
def test_an_outline_that_cannot_be_drawn_is_named(images, segmentation):
    found = content()
    found["annotations"][4]["segmentation"] = segmentation
    root = images()
    write(root / "all.json", found)

    def read_all() -> None:
        data = read(root, targets={"y": {"kind": "mask"}})
        for split in data.splits:
            list(data.batches(split, 4))

    with pytest.raises(InputError):
        read_all()


def test_areas_of_boxes_that_have_none_are_the_boxes(images):
    found = content()
    for annotation in found["annotations"]:
        del annotation["area"]
    root = images()
    write(root / "all.json", found)
    rows = np.concatenate(stored(read(root)))
    assert (rows[:, AREA] == 30).all()
    assert (rows[:, CLASS] == 1).all()
