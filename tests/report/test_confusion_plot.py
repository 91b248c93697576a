"""Confusion matrices beside each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.report.confusion_plot import MOST_NAMED, draw


def blue(path: Path) -> int:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.int16)
    return int((pixels[..., 2] - pixels[..., 0] > 60).sum())


def test_a_class_that_is_always_taken_for_another_is_as_dark_as_one_that_is_right(tmp_path: Path) -> None:
    right, wrong = np.diag([100, 1]), np.array([[100, 0], [1, 0]])
    for name, matrix in (("right", right), ("wrong", wrong), ("none", np.zeros((2, 2), np.int64))):
        draw({"int8": matrix}, ("much", "rare $"), tmp_path / f"{name}.png")
    right_blue, wrong_blue, none = (blue(tmp_path / f"{name}.png") for name in ("right", "wrong", "none"))
    assert right_blue == pytest.approx(wrong_blue, rel=0.01)
    assert right_blue > none + 10_000


def test_a_model_more_makes_it_wider(tmp_path: Path) -> None:
    matrix = np.diag([3, 4, 5])
    draw({"int8": matrix}, (), tmp_path / "one.png")
    draw({"float": matrix, "int8": matrix}, (), tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.width == 2 * one.width


def test_very_many_classes_stay_one_page(tmp_path: Path) -> None:
    draw({"int8": np.eye(MOST_NAMED * 20, dtype=np.int64)}, (), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width < 1500
