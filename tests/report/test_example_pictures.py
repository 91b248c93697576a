"""Examples with several models' answers side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.boxes import IGNORED
from pipeline.report.example_pictures import Example, as_pixels, draw
from pipeline.tasks.drawable import BoxesAnswer, ClassAnswer, Drawable, MaskAnswer, PointsAnswer

DARK = np.zeros((16, 24, 3), np.uint8)
ANSWERS: list[Drawable] = [
    BoxesAnswer(np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([2]), np.array([0.9])),
    MaskAnswer(np.array([[0, 1], [IGNORED, 2]])),
    PointsAnswer(np.array([[0.5, 0.5], [0.1, 0.1]]), np.array([True, False])),
]


def coloured(path: Path) -> int:
    """Pixels that are neither black, white nor grey."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.int16)
    return int((np.ptp(pixels, axis=2) > 40).sum())


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_drawn_on_its_image(answer: Drawable, tmp_path: Path) -> None:
    draw([Example(DARK, {"int8": ClassAnswer(0), "float": ClassAnswer(0)}, "first")], (), tmp_path / "words.png")
    draw([Example(DARK, {"int8": answer, "float": answer}, "first")], (), tmp_path / "drawn.png")
    assert coloured(tmp_path / "words.png") == 0
    assert coloured(tmp_path / "drawn.png") > 20


def test_a_box_lies_where_it_says(tmp_path: Path) -> None:
    """The left half of a dark square against its right half."""

    def middle_of_colour(box: list[float]) -> float:
        answer = BoxesAnswer(np.array([box]), np.array([0]))
        draw([Example(np.zeros((32, 32, 3), np.uint8), {"int8": answer}, "")], (), tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            pixels = np.asarray(image.convert("RGB"), np.int16)
        return float(np.argwhere(np.ptp(pixels, axis=2) > 40)[:, 1].mean()) / pixels.shape[1]

    assert middle_of_colour([0.2, 0.0, 0.9, 0.4]) < 0.4 < 0.6 < middle_of_colour([0.2, 0.6, 0.9, 1.0])


def test_what_is_said_in_a_word_needs_one_image_an_example(tmp_path: Path) -> None:
    said = {"label": ClassAnswer(0), "float": ClassAnswer(1, 0.5), "int8": ClassAnswer(7, 0.9)}
    draw([Example(DARK, said, "")] * 4, ("a $ b", "c"), tmp_path / "words.png")
    mask = {name: MaskAnswer(np.zeros((2, 2), np.int64)) for name in said}
    draw([Example(DARK, mask, "")] * 4, (), tmp_path / "masks.png")
    with Image.open(tmp_path / "words.png") as words, Image.open(tmp_path / "masks.png") as masks:
        assert words.height < masks.height / 2


def test_grey_images_and_points_at_the_edge_keep_the_frame(tmp_path: Path) -> None:
    answer = PointsAnswer(np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([True, True]))
    draw([Example(np.zeros((8, 8, 1), np.uint8), {"int8": answer}, "")], (), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 500


@pytest.mark.parametrize(
    "preprocessing",
    [
        {"scale": "0..1", "mean": [0.0], "std": [255.0]},
        {"scale": "-1..1", "mean": [127.5], "std": [127.5]},
        {"scale": "mean_std", "mean": [10.0, 20.0, 30.0], "std": [50.0, 60.0, 70.0]},
        {"scale": "raw", "mean": [0.0], "std": [1.0]},
    ],
    ids=lambda facts: facts["scale"],
)
def test_what_the_model_is_fed_becomes_the_image_again(preprocessing: dict[str, object]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    fed = (image - np.asarray(preprocessing["mean"])) / np.asarray(preprocessing["std"])
    assert np.array_equal(as_pixels(fed.astype(np.float32), preprocessing), image)


def test_what_no_scale_leads_back_from_is_stretched() -> None:
    fed = np.array([[[0.0], [2000.0], [4000.0]]], np.float32)
    assert as_pixels(fed, {"scale": "raw", "mean": [0.0], "std": [1.0]}).ravel().tolist() == [0, 128, 255]
