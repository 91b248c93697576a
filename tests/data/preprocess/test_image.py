from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data.preprocess import ImagePreprocessor
from pipeline.errors import InputError
from pipeline.recipe import Preprocess


def preprocess(raw: np.ndarray, **recipe: Any) -> np.ndarray:
    """Preprocess and check that the shape is the one promised."""
    preprocessor = ImagePreprocessor(Preprocess(**recipe))
    result = preprocessor(raw)
    assert result.dtype == np.float32
    assert result.shape == preprocessor.output_shape(raw.shape)
    return result


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"scale": "raw"}, [0, 51, 255]),
        ({"scale": "0..1"}, [0, 0.2, 1]),
        ({"scale": "-1..1"}, [-1, -0.6, 1]),
        ({"scale": "mean_std", "mean": (51,), "std": (2,)}, [-25.5, 0, 102]),
        ({"scale": "mean_std", "mean": (0, 51, 5), "std": (1, 1, 10)}, [0, 0, 25]),
    ],
)
def test_scales(recipe, expected):
    raw = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_allclose(preprocess(raw, **recipe)[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("scale", ["-1..1", "0..1", "raw", "mean_std"])
def test_the_description_repeats_the_scale_as_mean_and_std(scale):
    given = {"mean": (1.5, 2, 3), "std": (4, 5, 6)} if scale == "mean_std" else {}
    raw = noise(4, 4, 3)
    described = json.loads(json.dumps(ImagePreprocessor(Preprocess(scale=scale, **given)).describe()))
    repeated = (raw - np.array(described["mean"])) / np.array(described["std"])
    np.testing.assert_allclose(preprocess(raw, scale=scale, **given), repeated, rtol=1e-5, atol=1e-6)


def test_the_description_has_all_that_a_phone_needs():
    described = ImagePreprocessor(Preprocess(size=(4, 5), resize="area", fit="crop", channels=3)).describe()
    assert described["kind"] == "image"
    assert described["order"] == ["channels", "size", "scale"]
    assert described["size"] == [4, 5]
    assert (described["resize"], described["fit"], described["channels"]) == ("area", "crop", 3)


@pytest.mark.parametrize("resize", ["nearest", "bilinear", "bicubic", "lanczos", "area"])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_of_the_size_asked_for_keeps_its_pixels(resize, fit, channels):
    raw = noise(5, 7, channels)
    assert (preprocess(raw, size=(5, 7), resize=resize, fit=fit) == raw).all()


@pytest.mark.parametrize(
    ("resize", "pillow"), [("bilinear", Image.Resampling.BILINEAR), ("area", Image.Resampling.BOX)]
)
def test_stretching_is_what_pillow_does(resize, pillow):
    raw = noise(9, 7, 3)
    expected = np.asarray(Image.fromarray(raw).resize((4, 6), pillow))
    assert (preprocess(raw, size=(6, 4), resize=resize) == expected).all()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_float_images_are_resized_without_rounding(channels):
    raw = np.zeros((4, 4, channels), np.float32)
    raw[:2] = -0.5
    resized = preprocess(raw, size=(1, 4), resize="area")
    np.testing.assert_allclose(resized, np.full((1, 4, channels), -0.25))


def test_crop_takes_the_largest_centred_part_with_the_targets_shape():
    raw = np.zeros((4, 8, 1), np.uint8)
    raw[:, 2:6] = 200
    assert (preprocess(raw, size=(2, 2), fit="crop") == 200).all()


def test_pad_shows_the_whole_image_on_black():
    padded = preprocess(np.full((4, 8, 3), 200, np.uint8), size=(8, 8), fit="pad")
    assert (padded[2:6] == 200).all()
    assert (padded[:2] == 0).all()
    assert (padded[6:] == 0).all()


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 300, 3), (300, 1, 3), (1, 1, 3)])
def test_extreme_proportions_still_give_the_size(fit, shape):
    assert preprocess(noise(*shape), size=(16, 24), fit=fit).shape == (16, 24, 3)


def test_grey_becomes_rgb_by_repeating():
    raw = noise(3, 3, 1)
    assert (preprocess(raw, channels=3) == np.repeat(raw, 3, axis=2)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rgb_becomes_grey_by_luma(dtype):
    raw = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype)
    np.testing.assert_allclose(preprocess(raw, channels=1)[0, :, 0], [76, 150, 29], atol=0.5)


def test_a_rank_2_example_is_an_image_only_where_it_is_treated_as_one():
    raw = np.zeros((4, 4), np.float32)
    assert preprocess(raw).shape == (4, 4)
    assert preprocess(raw, channels=3).shape == (4, 4, 3)
    assert preprocess(raw, size=(2, 2)).shape == (2, 2, 1)


@pytest.mark.parametrize("shape", [(), (10,), (2, 3, 4, 5)])
def test_what_is_no_image_is_only_scaled(shape):
    raw = np.full(shape, 255.0)
    assert (preprocess(raw, scale="0..1") == 1).all()
    with pytest.raises(InputError, match="are for images"):
        preprocess(raw, size=(2, 2))


def test_channels_that_cannot_be_made_are_refused():
    with pytest.raises(InputError, match="3 cannot be made of 4 channels"):
        preprocess(noise(2, 2, 4), channels=3)


def test_mean_and_std_must_fit_the_channels():
    with pytest.raises(InputError, match=r"data\.preprocess\.mean has 3 values"):
        preprocess(noise(2, 2, 1), scale="mean_std", mean=(1, 2, 3), std=(1, 1, 1))


def test_the_stored_example_is_not_changed():
    raw = np.ones((2, 2, 3), np.float32)
    preprocess(raw, scale="-1..1")
    assert (raw == 1).all()
