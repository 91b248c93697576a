"""YOLO's text files in the layouts that people have, and what is wrong with other people's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.boxes import CLASS
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

LINE = "1 0.5 0.5 0.25 0.5"
"""In an image 12x16: y 3 to 9, x 6 to 10."""


def read(path: Path, **section) -> Dataset:
    return load(Data.model_validate({"source": "yolo", "path": path} | section))


def stored(data: Dataset) -> list[np.ndarray]:
    return [examples.targets["y"][index] for examples in data.splits.values() for index in range(len(examples))]


@pytest.fixture
def write(tmp_path, make_image):
    """Write 12 images 12x16 and their labels: `write(text, images, labels)`."""

    def made(text: str = LINE, images: str = "images", labels: str = "labels", count: int = 12) -> Path:
        for number in range(count):
            make_image(tmp_path / images / f"{number:02}.png", colour=number, size=(12, 16))
            path = tmp_path / labels / f"{number:02}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return made


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("", ""), ("images/train", "labels/train"), ("train/images", "train/labels")],
)
def test_layouts_without_a_yaml_file(write, images, labels):
    root = write(images=images, labels=labels)
    (root / "classes.txt").write_text("cat\ndog\n")
    data = read(root)
    assert data.class_names == ("cat", "dog")
    for boxes in stored(data):
        np.testing.assert_allclose(boxes, [[3, 6, 9, 10, 1, 0, 24]])


@pytest.mark.parametrize(
    "entries",
    [
        {"train": "images/train", "val": "images/val"},
        {"train": "../images/train", "val": "../images/val"},
        {"path": "elsewhere/../", "train": ["images/train"], "val": ["images/val"]},
        {"train": "train.txt", "val": "images/val"},
    ],
)
@pytest.mark.parametrize("names", [["cat", "dog"], {0: "cat", 1: "dog"}])
def test_a_yaml_file_says_splits_and_names(write, entries, names):
    import yaml

    root = write(images="images/train", labels="labels/train")
    write(images="images/val", labels="labels/val", count=3)
    (root / "elsewhere").mkdir()
    (root / "train.txt").write_text("".join(f"./images/train/{number:02}.png\n" for number in range(12)))
    (root / "data.yaml").write_text(yaml.safe_dump({**entries, "names": names, "nc": 2}))
    for path in (root, root / "data.yaml"):
        data = read(path)
        assert data.size("validation") == 3
        assert sum(map(len, data.splits.values())) == 15
        assert data.class_names == ("cat", "dog")


def test_an_image_without_a_text_file_has_no_box(write):
    root = write()
    (root / "labels" / "03.txt").unlink()
    (root / "labels" / "04.txt").write_text("\n")
    assert sorted(map(len, stored(read(root)))) == [0, 0] + [1] * 10


def test_an_outline_is_its_box_and_can_be_drawn(write):
    root = write("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")
    np.testing.assert_allclose(stored(read(root))[0][:, :4], [[3, 4, 9, 12]])
    data = read(root, targets={"y": {"kind": "mask"}})
    assert data.class_names == ("background", "0")
    mask = np.zeros((12, 16), int)
    mask[3:9, 4:12] = 1
    np.testing.assert_array_equal(stored(data)[0], mask)


def test_points_stand_behind_their_box(write):
    root = write("0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.75 0.25 1\n")
    (root / "data.yaml").write_text("names: [hand]\nkpt_shape: [2, 3]\n")
    assert stored(read(root))[0][0, CLASS] == 0
    data = read(root, targets={"y": {"kind": "points"}})
    np.testing.assert_allclose(stored(data)[0], [[6, 4, 2], [3, 12, 1]])
    batch = next(data.batches("test", 1))
    np.testing.assert_allclose(batch.targets["y"][0], [[0.5, 0.25, 2], [0.25, 0.75, 1]])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0.5 0.5 0.5 0.5 0.9", "six values, as predictions"),
        ("0 100 200 50 60", "are these pixels"),
        ("cat 0.5 0.5 0.5 0.5", "'cat' is no number"),
        ("0.5 0.5 0.5 0.5 0.5", "no class index"),
        ("0 nan 0.5 0.5 0.5", "NaN"),
        ("0 0.5 0.5", "3 values"),
        ("7 0.5 0.5 0.5 0.5", "the class 7, and there are 2 classes"),
        ("0 0.5 0.5 0 0.5", "1 empty"),
        ("0 0.9 0.5 0.9 0.5", "1 outside of the image"),
    ],
)
def test_a_line_of_another_layout_is_named(write, text, why):
    root = write()
    (root / "classes.txt").write_text("cat\ndog\n")
    (root / "labels" / "05.txt").write_text(f"{LINE}\n{text}\n")
    with pytest.raises(InputError, match=why) as error:
        read(root)
    assert "05.txt, line 2" in str(error.value)


def test_labels_without_an_image(write):
    root = write()
    (root / "images" / "07.png").unlink()
    with pytest.raises(InputError, match="1 annotated image is not there"):
        read(root)


def test_a_folder_of_images_alone_has_no_labels(write):
    root = write()
    for path in (root / "labels").glob("*.txt"):
        path.unlink()
    with pytest.raises(InputError, match="none of the 12 images"):
        read(root)


@pytest.mark.parametrize("text", ["names: 3\n", "train: images\n", "names: {1: a}\n", "names: [a, a]\n", "- a\n"])
def test_a_yaml_file_without_names_is_refused(write, text):
    root = write()
    (root / "data.yaml").write_text(text)
    with pytest.raises(InputError, match=r"data\.yaml"):
        read(root)
