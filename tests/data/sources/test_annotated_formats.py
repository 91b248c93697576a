"""The same boxes in every format are the same boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data import Dataset, load
from pipeline.recipe import Data

SIZE = (24, 32)
NAMES = ("ant", "bee")


@pytest.fixture(scope="module")
def boxes() -> list[list[tuple[int, int, int, int, int]]]:
    """y_min, x_min, y_max, x_max, class of a few in each of 16 images."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(16):
        rows = []
        for _ in range(int(rng.integers(0, 4))):
            top, left = int(rng.integers(0, 16)), int(rng.integers(0, 20))
            rows.append(
                (top, left, top + int(rng.integers(2, 8)), left + int(rng.integers(2, 12)), int(rng.integers(2)))
            )
        found.append(rows)
    return found


def write_images(folder: Path, orientation: int) -> None:
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(16):
        Image.fromarray(np.full(SIZE, number, np.uint8)).save(folder / f"{number:02}.png", exif=exif)


def voc(root: Path, boxes: Any, size: tuple[int, int]) -> dict[str, Any]:
    (root / "Annotations").mkdir()
    for number, rows in enumerate(boxes):
        things = "".join(
            f"<object><name>{NAMES[c]}</name><bndbox><ymin>{a}</ymin><xmin>{b}</xmin><ymax>{d}</ymax><xmax>{e}</xmax>"
            "</bndbox></object>"
            for a, b, d, e, c in rows
        )
        sides = f"<size><height>{size[0]}</height><width>{size[1]}</width></size>"
        (root / "Annotations" / f"{number:02}.xml").write_text(f"<annotation>{sides}{things}</annotation>")
    return {"source": "voc", "path": root}


def coco(root: Path, boxes: Any, size: tuple[int, int]) -> dict[str, Any]:
    images = [
        {"id": n, "file_name": f"images/{n:02}.png", "height": size[0], "width": size[1]} for n in range(len(boxes))
    ]
    annotations = [
        {"image_id": n, "category_id": 7 + c, "bbox": [b, a, e - b, d - a]}
        for n, rows in enumerate(boxes)
        for a, b, d, e, c in rows
    ]
    categories = [{"id": 7 + index, "name": name} for index, name in enumerate(NAMES)]
    path = root / "coco.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return {"path": path}


def yolo(root: Path, boxes: Any, size: tuple[int, int]) -> dict[str, Any]:
    (root / "labels").mkdir()
    height, width = size
    for number, rows in enumerate(boxes):
        lines = [
            f"{c} {(b + e) / 2 / width} {(a + d) / 2 / height} {(e - b) / width} {(d - a) / height}\n"
            for a, b, d, e, c in rows
        ]
        (root / "labels" / f"{number:02}.txt").write_text("".join(lines))
    (root / "data.yaml").write_text(f"train: images\nnames: {list(NAMES)}\n")
    return {"path": root / "data.yaml"}


def csv(root: Path, boxes: Any, size: tuple[int, int]) -> dict[str, Any]:
    lines = ["file,x_min,y_min,x_max,y_max,class"]
    for number, rows in enumerate(boxes):
        lines += [f"images/{number:02}.png,{b},{a},{e},{d},{NAMES[c]}" for a, b, d, e, c in rows]
        lines += [] if rows else [f"images/{number:02}.png,,,,,"]
    (root / "boxes.csv").write_text("\n".join(lines))
    return {"path": root / "boxes.csv", "targets": {"y": {"kind": "boxes"}}}


def prepared(data: Dataset) -> dict[int, np.ndarray]:
    """Image's colour → its boxes."""
    return {
        int(image[0, 0, 0]): rows
        for split in data.splits
        for batch in data.batches(split, 4)
        for image, rows in zip(batch.inputs["x"], batch.targets["y"], strict=True)
    }


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("write", [voc, coco, yolo, csv])
def test_every_format_gives_the_same_boxes(tmp_path, boxes, write, orientation):
    """All were drawn on the upright image."""
    size = SIZE[::-1] if orientation == 6 else SIZE
    drawn = [[(a, b, d, e, c) for a, b, d, e, c in rows if d <= size[0] and e <= size[1]] for rows in boxes]
    write_images(tmp_path / "images", orientation)
    data = load(Data.model_validate(write(tmp_path, drawn, size) | {"preprocess": {"channels": 1}}))
    assert data.class_names == NAMES
    found = prepared(data)
    assert sorted(found) == list(range(16))
    for number, rows in enumerate(drawn):
        expected = np.array(rows, np.float64).reshape(-1, 5)
        mine = found[number][found[number][:, 4] >= 0]
        np.testing.assert_allclose(mine[:, :4] * [*size, *size], expected[:, :4], atol=1e-4)
        np.testing.assert_array_equal(mine[:, 4], expected[:, 4])
        np.testing.assert_allclose(mine[:, 6], (expected[:, 2:4] - expected[:, :2]).prod(axis=1), rtol=1e-5)
