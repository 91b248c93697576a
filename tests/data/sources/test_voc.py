"""Pascal VOC's files, laid out as the challenge and as tools lay them out, and what is wrong with other people's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.boxes import CLASS, DIFFICULT, FLAG
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

Write = Callable[..., Path]
ONE = ("cell", 2, 4, 8, 10)
"""Name, y_min, x_min, y_max, x_max."""


def annotation(*objects: tuple, file: str = "", size: tuple[int, int] | None = (12, 16), extra: str = "") -> str:
    things = "".join(
        f"<object><name>{name}</name>{''.join(more)}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax>"
        f"<ymax>{y1}</ymax></bndbox></object>"
        for name, y0, x0, y1, x1, *more in objects
    )
    stated = "" if size is None else f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>"
    return f"{extra}<annotation><filename>{file}</filename>{stated}{things}</annotation>"


@pytest.fixture
def write(tmp_path, make_image) -> Write:
    """Write an image 12x16 and its annotation: `write(number, ONE, …)`."""

    def made(number: int, *objects: tuple, image: str = "JPEGImages", xml: str = "Annotations", **how) -> Path:
        make_image(tmp_path / image / f"{number:02}.png", colour=number, size=(12, 16))
        path = tmp_path / xml / f"{number:02}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(annotation(*objects, **how))
        return path

    return made


def read(path: Path, **section) -> Dataset:
    return load(Data.model_validate({"source": "voc", "path": path} | section))


def stored(data: Dataset) -> list[np.ndarray]:
    return [examples.targets["y"][index] for examples in data.splits.values() for index in range(len(examples))]


def test_the_layout_of_the_challenge(tmp_path, write):
    for number in range(12):
        write(number, ONE, ("a", 0, 0, 12, 16, "<difficult>1</difficult>"))
    sets = tmp_path / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for split, numbers in {"train": range(7), "val": range(7, 9), "test": range(9, 11), "trainval": range(9)}.items():
        (sets / f"{split}.txt").write_text("".join(f"{number:02}\n" for number in numbers))
    data = read(tmp_path)
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 6,
        "calibration": 1,
        "validation": 2,
        "test": 2,
    }
    assert data.class_names == ("a", "cell")
    boxes = stored(data)[0]
    np.testing.assert_array_equal(boxes[:, CLASS], [1, 0])
    np.testing.assert_array_equal(boxes[:, FLAG], [0, DIFFICULT])
    np.testing.assert_array_equal(boxes[0], [2, 4, 8, 10, 1, 0, 36])
    batch = next(data.batches("test", 2))
    np.testing.assert_allclose(batch.targets["y"][0, 0, :4], [2 / 12, 4 / 16, 8 / 12, 10 / 16], rtol=1e-6)
    np.testing.assert_array_equal(batch.targets["y_placement"], [[12, 16, 0, 0, 1, 1]] * 2)


@pytest.mark.parametrize(
    "folders", [("", ""), ("train", "train"), ("JPEGImages", "Annotations"), ("images", "Annotations")]
)
def test_layouts_without_sets(tmp_path, write, folders):
    for number in range(12):
        write(number, *[ONE] * (number % 2), image=folders[0], xml=folders[1])
    data = read(tmp_path)
    assert sum(len(examples) for examples in data.splits.values()) == 12
    assert sorted(map(len, stored(data))) == [0] * 6 + [1] * 6


def test_changing_one_box_changes_the_fingerprint(tmp_path, write):
    paths = [write(number, ONE) for number in range(12)]
    before = read(tmp_path).fingerprint
    assert read(tmp_path).fingerprint == before
    paths[3].write_text(annotation(("cell", 2, 4, 8, 11)))
    assert read(tmp_path).fingerprint != before


BAD = [("cell", 8, 4, 2, 10), ("cell", 2, 4, 2, 10), ("cell", 2, 4, 8, 30)]


def test_boxes_that_are_none_are_refused_with_their_files(tmp_path, write):
    for number in range(12):
        write(number, ONE, *BAD[number : number + 1])
    with pytest.raises(InputError, match="3 of the 15 boxes") as error:
        read(tmp_path)
    said = str(error.value)
    assert "01.xml, object 2 (empty: y 2 to 2, x 4 to 10 in an image of 12 x 16)" in said
    assert "1 reversed" in said
    assert "1 outside of the image" in said
    assert "invalid=skip" in said


@pytest.mark.parametrize(("invalid", "left"), [("skip", []), ("clip", [[2, 4, 8, 10], [2, 4, 8, 16]])])
def test_or_left_out_or_set_right(tmp_path, write, invalid, left):
    for number in range(12):
        write(number, *(BAD if number == 5 else [ONE]))
    data = read(tmp_path, targets={"y": {"invalid": invalid}})
    odd = next(boxes for boxes in stored(data) if len(boxes) == len(left))
    np.testing.assert_array_equal(odd[:, :4], np.array(left).reshape(-1, 4))
    assert "3 of the 14 boxes" in data.remarks()[0]
    assert sum(len(examples) for examples in data.splits.values()) == 12


def test_images_that_are_not_there(tmp_path, write):
    for number in range(12):
        write(number, ONE)
    (tmp_path / "JPEGImages" / "03.png").unlink()
    with pytest.raises(InputError, match=r"1 annotated image is not there: .*03.xml"):
        read(tmp_path)
    data = read(tmp_path, on_corrupt="skip")
    assert "1 annotated image is not there and left out" in data.remarks()[0]
    assert len(stored(data)) == 11


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("<annotation><object>", "cannot be read as XML"),
        ("", "cannot be read as XML"),
        ("<html/>", "its root is <html>"),
        ("<annotation><object><name>a</name></object></annotation>", "object 1 .* no <bndbox>"),
        (annotation(("a", "x", 1, 2, 3)), "object 1: <ymin>: 'x' is no number"),
        (annotation(("a", "nan", 1, 2, 3)), "<ymin>: 'nan' is no number"),
        (annotation(("", 0, 1, 2, 3)), "object 1 has no <name>"),
        (annotation(ONE, extra='<!DOCTYPE a [<!ENTITY b "c">]>'), "declares the entity 'b'"),
        (annotation(ONE, extra='<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'), "declares the entity 'b'"),
        ("<annotation>" + "<a>" * 1000 + "</a>" * 1000 + "</annotation>", "nested more than"),
        (annotation(ONE, size=(480, 640)), "of an image of 480 x 640 pixels .* has 12 x 16"),
    ],
)
def test_what_is_no_annotation_is_named(tmp_path, write, content, why):
    for number in range(12):
        write(number, ONE)
    (tmp_path / "Annotations" / "03.xml").write_text(content)
    with pytest.raises(InputError, match=why) as error:
        read(tmp_path)
    assert "03.xml" in str(error.value)


def test_a_size_of_nought_is_one_that_a_tool_did_not_know(tmp_path, write):
    for number in range(12):
        write(number, ONE, size=(0, 0))
    assert len(stored(read(tmp_path))) == 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_stored", [True, False])
def test_boxes_of_a_turned_photo_lie_where_they_were_drawn(tmp_path, write, orientation, as_stored):
    """An annotation that states the stored size was drawn on the stored pixels, one of the upright size on those."""
    stored_pixels = np.zeros((12, 16), np.uint8)
    stored_pixels[2:8, 4:10] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(12):
        write(number, ONE)
        Image.fromarray(stored_pixels).save(tmp_path / "JPEGImages" / f"{number:02}.png", exif=exif)
    upright = read(tmp_path).split("test")[0]["x"][..., 0]
    if not as_stored or orientation < 5:  # where both sizes are equal, tools that show images drew on the upright one
        rows, columns = (np.flatnonzero((upright > 0).any(axis=axis)) for axis in (1, 0))
        drawn = ("cell", rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
        for number in range(12):
            write_xml = tmp_path / "Annotations" / f"{number:02}.xml"
            write_xml.write_text(annotation(drawn, size=upright.shape))
    boxes = stored(read(tmp_path))[0]
    top, left, bottom, right = boxes[0, :4].astype(int)
    inside = np.zeros(upright.shape, bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(upright > 0, inside)


def test_classes_follow_data_labels(tmp_path, write):
    for number in range(12):
        write(number, ONE, ("dish", 0, 0, 3, 3))
    labels = tmp_path / "labels.txt"
    labels.write_text("dish\ncell\n")
    data = read(tmp_path, labels=labels)
    assert data.class_names == ("dish", "cell")
    assert stored(data)[0][:, CLASS].tolist() == [1, 0]
    labels.write_text("dish\nother\n")
    with pytest.raises(InputError, match=r"'cell' is not in data\.labels"):
        read(tmp_path, labels=labels)


def test_a_split_without_a_class_is_said_in_words_of_boxes(tmp_path, write):
    for number in range(12):
        write(number, ONE, *[("dish", 0, 0, 3, 3)] * (number == 0))
    assert any("no box of 1 of the 2 classes: dish." in said for said in read(tmp_path).remarks())
