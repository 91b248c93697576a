"""A box, points or a mask's file a row, by the column names that people use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.boxes import CLASS, CROWD, DIFFICULT, FLAG
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data


@pytest.fixture
def write(tmp_path, make_image):
    """Twelve images 12x16 and a CSV of a header and rows: `write(header, "{},1,2,…")`, the row for each file."""

    def made(header: str, *rows: str) -> Path:
        for number in range(12):
            make_image(tmp_path / "images" / f"{number:02}.png", colour=number, size=(12, 16))
        lines = [row.format(f"{number:02}.png") for number in range(12) for row in rows]
        path = tmp_path / "data.csv"
        path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
        return path

    return made


def read(path: Path, kind: str = "boxes", header: bool = True, **target) -> Dataset:
    section = {"source": "csv", "path": path, "header": header, "targets": {"y": {"kind": kind} | target}}
    return load(Data.model_validate(section))


def stored(data: Dataset) -> list[np.ndarray]:
    return [examples.targets["y"][index] for examples in data.splits.values() for index in range(len(examples))]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("file,x_min,y_min,x_max,y_max,class", "{},4,2,10,8,cat"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "{},16,12,cat,4,2,10,8"),
        ("image,label,x,y,w,h", "{},cat,4,2,6,6"),
        ("image_name,label_name,bbox_x,bbox_y,bbox_width,bbox_height", "{},cat,4,2,6,6"),
        ("ImageID,LabelName,XMin,XMax,YMin,YMax", "{},cat,0.25,0.625,0.16666667,0.66666667"),
        ("path,left,top,right,bottom,category", "{},4,2,10,8,cat"),
    ],
)
def test_boxes_by_the_usual_names(write, header, row):
    data = read(write(header, row, row))
    assert data.class_names == ("cat",)
    for boxes in stored(data):
        np.testing.assert_allclose(boxes, [[2, 4, 8, 10, 0, 0, 36]] * 2, atol=1e-5)


def test_boxes_by_their_columns_without_a_header(write):
    path = write("", "{},4,2,10,8,1")
    data = load(
        Data.model_validate(
            {
                "source": "csv",
                "path": path,
                "header": False,
                "inputs": {"x": {"from": 0}},
                "targets": {"y": {"kind": "boxes", "columns": [1, 2, 3, 4, 5]}},
            }
        )
    )
    assert data.class_names == ("0", "1")
    assert all(boxes[0, CLASS] == 1 for boxes in stored(data))


def test_a_row_without_numbers_is_an_image_without_a_box(write):
    path = write(
        "file,x_min,y_min,x_max,y_max,class,split,difficult,iscrowd",
        "{},4,2,10,8,cat,train,1,0",
        "{},4,2,10,8,dog,train,0,1",
    )
    lines = path.read_text().splitlines()
    lines[1:3] = ["00.png,,,,,,test,,"]
    path.write_text("\n".join(lines))
    data = read(path)
    assert data.size("test") == 1
    assert len(data.split("test").targets["y"][0]) == 0
    assert data.split("train").targets["y"][0][:, FLAG].tolist() == [DIFFICULT, CROWD]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("00.png,4,2,10,,cat", "line 2: a box has four numbers"),
        ("00.png,4,2,4,8,cat", r"1 empty.*data\.csv, line 2"),
        ("00.png,4,2,10,8,", "line 2: the class is empty"),
        ("00.png,4,2,x,8,cat", "line 2, column 'x_max': 'x' is not a number"),
        ("gone.png,4,2,10,8,cat", r"1 annotated image is not there: gone\.png"),
    ],
)
def test_what_is_wrong_is_named(write, line, why):
    path = write("file,x_min,y_min,x_max,y_max,class", "{},4,2,10,8,cat")
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=why):
        read(path)


def test_a_table_without_columns_of_boxes_is_refused(write):
    with pytest.raises(InputError, match=r"no columns of boxes; it has file, a, class"):
        read(write("file,a,class", "{},1,cat"))


@pytest.mark.parametrize("header", ["file,nose_x,nose_y,tail_x,tail_y", "image,x_nose,y_nose,x_tail,y_tail"])
def test_points_by_their_names(write, header):
    data = read(write(header, "{},4,2,,"), "points")
    assert data.known["y"].class_names == ("nose", "tail")
    for points in stored(data):
        np.testing.assert_array_equal(points, [[2, 4, 2], [0, 0, 0]])


def test_points_by_number(write):
    data = read(write("file,x0,y0,x1,y1", "{},4,2,6,7"), "points")
    assert data.known["y"].class_names == ("0", "1")
    np.testing.assert_array_equal(stored(data)[0], [[2, 4, 2], [7, 6, 2]])


def test_points_outside_of_their_image_are_named(write):
    with pytest.raises(InputError, match="a point reaches to y 2, x 40, outside"):
        read(write("file,x0,y0", "{},40,2"), "points")


def test_a_mask_a_row(write, tmp_path):
    path = write("file,mask", "{0},mask_{0}")
    mask = np.zeros((12, 16), np.uint8)
    mask[3:6, 4:9] = 1
    for number in range(12):
        Image.fromarray(mask).save(tmp_path / f"mask_{number:02}.png")
    data = read(path, "mask")
    assert data.class_names == ("0", "1")
    np.testing.assert_array_equal(stored(data)[0], mask)
