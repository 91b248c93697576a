"""Every snippet of docs/data.md is a data section that reads examples."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.data import load
from pipeline.recipe import Data

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def files(tmp_path, monkeypatch, make_image, make_wav) -> None:
    """What the page's paths stand for, in the current directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(20):
        make_image(Path("photos", "ab"[number % 2], f"{number}.png"), colour=number)
        make_wav(
            Path("spoken", f"{number % 2}_{'theo' if number < 10 else 'anna'}_{number // 2 % 5}.wav"), np.zeros(900)
        )
    houses = "\n".join(f"{n},{n * n},{1000 * n}" for n in range(20))
    Path("houses.csv").write_text(f"size,rooms,price\n{houses}\n")
    Path("landmarks.csv").write_text("\n".join(f"{n % 3},{n},{-n}" for n in range(20)) + "\n")
    products = "\n".join(f"photos/{'ab'[n % 2]}/{n}.png,{n},{2 * n},{n / 3}" for n in range(20))
    Path("products.csv").write_text(f"photo,weight,height,price\n{products}\n")
    np.savez("pairs.npz", a=rng.normal(size=(20, 3)), b=rng.normal(size=(20, 3)), score=rng.random(20))
    np.savez("waveforms.npz", x=rng.normal(size=(20, 2000)), y=np.arange(20) % 2)
    located_files(make_image)
    np.savez("series.npz", x=rng.normal(size=(200, 3)))


def located_files(make_image) -> None:
    """Images with what is where in them, in every format."""
    outline = {"bbox": [1, 1, 3, 3], "segmentation": [[1, 1, 4, 1, 4, 4]]}
    pictures = [{"id": n, "file_name": f"{n}.png", "height": 6, "width": 6} for n in range(20)]
    coco = {
        "images": pictures,
        "annotations": [{"image_id": n, "category_id": 1, **outline} for n in range(20)],
        "categories": [{"id": 1, "name": "car"}],
    }
    Path("street/annotations").mkdir(parents=True)
    Path("street/annotations/instances_train2017.json").write_text(json.dumps(coco))
    for folder in ("cells/Annotations", "yard/labels"):
        Path(folder).mkdir(parents=True)
    box = "<xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax>"
    voc = f"<annotation><object><name>cell</name><bndbox>{box}</bndbox></object></annotation>"
    for n in range(20):
        for folder in ("street/train2017", "cells/JPEGImages", "yard/images", "fields/images"):
            make_image(Path(folder, f"{n}.png"), colour=n)
        Path(f"cells/Annotations/{n}.xml").write_text(voc)
        Path(f"yard/labels/{n}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
        make_image(Path("fields/masks", f"{n}.png"), colour=255 * (n % 2))
    boxes = "\n".join(f"photos/{'ab'[n % 2]}/{n}.png,1,1,4,4,pet" for n in range(20))
    Path("boxes.csv").write_text(f"file,x_min,y_min,x_max,y_max,class\n{boxes}\n")
    faces = "\n".join(f"photos/{'ab'[n % 2]}/{n}.png,1,1,4,1" for n in range(20))
    Path("faces.csv").write_text(f"file,left_eye_x,left_eye_y,right_eye_x,right_eye_y\n{faces}\n")
    rows = np.tile([[1, 1, 4, 4, 0], [0, 0, 0, 0, -1]], (20, 1, 1))
    np.savez("scenes.npz", x=np.zeros((20, 6, 6, 1), np.uint8), y=rows)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_reads_examples(snippet):
    section = yaml.safe_load(snippet)
    data = load(Data.model_validate(section))
    batch = next(data.batches("test", 4))
    assert len(batch) > 0
    assert {name: array.shape[1:] for name, array in batch.inputs.items()} == {
        name: spec.shape[1:] for name, spec in data.inputs.items()
    }
    for name in section.get("inputs", {}):
        assert name in batch.inputs
    for name in section.get("targets", {}):
        assert name in batch.targets


def test_the_page_shows_every_embedded_source():
    from pipeline.data import EMBEDDED

    assert len(SNIPPETS) > 15
    for name in EMBEDDED:
        assert f"`{name}`" in PAGE
