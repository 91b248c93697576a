"""Only images change their size or channels, and that is said; what is no image keeps its shape or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess

SIZE = {"size": (4, 5), "scale": "raw"}


def arrays(folder: Path, x: np.ndarray) -> Path:
    np.savez(folder / "data.npz", x=x)
    return folder / "data.npz"


def opened(path: Path, **preprocess: Any) -> Any:
    return load(Data.model_validate({"path": path, "preprocess": Preprocess(**preprocess)}), trains=False)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_uint8_arrays_are_images_where_a_size_says_so(tmp_path: Path, channels: int) -> None:
    data = opened(arrays(tmp_path, np.zeros((8, 6, 6, channels), np.uint8)), **SIZE)
    assert data.inputs["x"].shape == (-1, 4, 5, channels)
    assert data.shape_changes == ["input 'x': images of 6x6 (the first one's size) are resized to 4x5"]


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((8, 49, 13, 1), np.float32),
        np.zeros((8, 49, 13), np.float32),
        np.zeros((8, 49, 13, 6), np.uint8),
        np.zeros((8, 49, 13, 1), np.int16),
    ],
    ids=["float", "float without channels", "six channels", "int16"],
)
def test_anything_else_is_refused_with_both_shapes(tmp_path: Path, x: np.ndarray) -> None:
    with pytest.raises(InputError) as refused:
        opened(arrays(tmp_path, x), **SIZE)
    assert str(list(x.shape[1:])) in str(refused.value)
    assert "[4, 5, " in str(refused.value)


@pytest.mark.parametrize("shape", [(4, 5, 1), (4, 5, 6), (2, 4, 5, 3), (7,)])
def test_any_shape_passes_untouched(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random((8, *shape)).astype(np.float32)
    data = opened(arrays(tmp_path, x))
    np.testing.assert_array_equal(next(data.batches("calibration", 8)).inputs["x"], x)
    assert data.shape_changes == []


def test_a_size_that_the_examples_have_changes_nothing(tmp_path: Path) -> None:
    data = opened(arrays(tmp_path, np.zeros((8, 4, 5, 6), np.float32)), **SIZE)
    assert data.inputs["x"].shape == (-1, 4, 5, 6)


def test_a_channel_that_is_repeated_is_said(tmp_path: Path) -> None:
    for place in range(3):
        Image.new("L", (5, 4), place).save(tmp_path / f"{place}.png")
    data = opened(tmp_path, channels=3)
    assert data.inputs["x"].shape == (-1, 4, 5, 3)
    assert data.shape_changes == ["input 'x': the images' one channel is repeated 3 times"]
