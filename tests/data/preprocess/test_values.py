"""Numbers that are no images: scaled, standardized by the training split, or fed as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.recipe import Data, Input, Preprocess


def npz(tmp_path, inputs=None, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return load(Data.model_validate({"source": "npz", "path": tmp_path / "a.npz", "inputs": inputs, "targets": {}}))


def first(data, split="train"):
    return next(data.batches(split, 64)).inputs


@pytest.mark.parametrize(
    ("stored", "fed"),
    [
        (np.int64, np.int32),
        (np.int32, np.int32),
        (np.uint16, np.int32),
        (np.int8, np.int8),
        (bool, bool),
        (np.float16, np.float16),
        (np.float64, np.float32),
        (np.uint8, np.float32),
    ],
)
def test_integers_flags_and_halves_are_fed_as_stored_and_the_rest_as_float32(tmp_path, stored, fed):
    x = (np.arange(24).reshape(6, 4) % 2).astype(stored)
    data = npz(tmp_path, x_train=x)
    assert data.inputs["x"].dtype == fed
    batch = first(data)["x"]
    assert batch.dtype == fed
    np.testing.assert_array_equal(np.unique(batch), np.unique(x))


def test_tokens_are_never_scaled_by_the_default_of_images(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.full((9, 4, 4, 1), 255, np.uint8), words=np.full((9, 5), 7))
    data = load(
        Data(
            source="npz",
            path=tmp_path / "a.npz",
            inputs={"image": Input(), "words": Input()},
            preprocess=Preprocess(size=(2, 2), scale="0..1"),
        )
    )
    batch = first(data)
    assert batch["image"].shape[1:] == (2, 2, 1)
    assert (batch["image"] == 1).all()
    assert batch["words"].dtype == np.int32
    assert (batch["words"] == 7).all()
    assert {name: one.describe()["kind"] for name, one in data.preprocessors.items()} == {
        "image": "image",
        "words": "tokens",
    }


def test_a_type_can_be_asked_for(tmp_path):
    data = npz(tmp_path, {"x": {"dtype": "float32"}}, x=np.arange(30).reshape(10, 3))
    assert first(data)["x"].dtype == np.float32
    data = npz(tmp_path, {"x": {"dtype": "int32"}}, x=np.arange(30.0).reshape(10, 3))
    assert first(data)["x"].dtype == np.int32
    assert data.preprocessors["x"].describe()["dtype"] == "int32"


@pytest.mark.parametrize("x", [np.full((5, 2), 0.5), np.full((5, 2), 2**40)], ids=["halves", "large"])
def test_what_a_type_cannot_hold_is_refused_and_named(tmp_path, x):
    with pytest.raises(InputError, match=r"x_train\[\d\]: .* cannot be fed as int32"):
        npz(tmp_path, {"x": {"dtype": "int32"}}, x=x)


def test_numbers_are_standardized_by_the_training_split_alone(tmp_path):
    rng = np.random.default_rng(0)
    train, test = rng.normal((5, -1), (2, 0.1), (400, 2)), rng.normal(100, 1, (50, 2))
    data = npz(
        tmp_path, {"x": {"standardize": True}}, x_train=train, x_validation=test, x_calibration=test, x_test=test
    )
    x = np.concatenate([batch.inputs["x"] for batch in data.batches("train", 64)])
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    described = json.loads(json.dumps(data.preprocessors["x"].describe()))
    assert described["kind"] == "table"
    statistics = described["standardize"]
    np.testing.assert_allclose(statistics["mean"], train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(statistics["std"], train.std(axis=0), rtol=1e-6)
    wanted = (test - statistics["mean"]) / statistics["std"]
    np.testing.assert_allclose(first(data, "test")["x"], wanted, rtol=1e-4)


def test_a_column_that_never_changes_keeps_its_unit_and_large_offsets_their_digits(tmp_path):
    x = np.stack([np.full(200, 3.0), 1e7 + np.arange(200.0)], axis=1)
    mean_std = npz(tmp_path, {"x": {"standardize": True}}, x_train=x).preprocessors["x"].describe()["standardize"]
    assert mean_std["std"][0] == 1
    data = npz(tmp_path, {"x": {"standardize": True}}, x_train=x, x_test=x, x_validation=x, x_calibration=x)
    assert data.preprocessors["x"].describe()["standardize"]["std"][1] == pytest.approx(np.arange(200).std())


def test_standardizing_images_goes_by_channel_and_comes_after_their_scale(tmp_path):
    x = np.zeros((50, 4, 4, 2), np.uint8)
    x[..., 0] = np.arange(50)[:, None, None]
    x[..., 1] = 51
    arrays = {f"x_{split}": x for split in ("train", "test", "validation", "calibration")}
    np.savez(tmp_path / "a.npz", **arrays)
    inputs = {"x": Input(standardize=True)}
    data = load(Data(source="npz", path=tmp_path / "a.npz", inputs=inputs, preprocess=Preprocess(scale="0..1")))
    described = data.preprocessors["x"].describe()
    assert described["kind"] == "image"
    np.testing.assert_allclose(described["standardize"]["mean"], [24.5 / 255, 0.2], rtol=1e-6)
    assert described["standardize"]["axis"] == -1


def test_standardizing_needs_a_training_split(tmp_path):
    with pytest.raises(InputError, match=r"data\.inputs\.x\.standardize takes mean and deviation from the training"):
        npz(tmp_path, {"x": {"standardize": True}}, x_test=np.zeros((4, 2)))


def test_nan_in_the_training_split_is_named_or_skipped(tmp_path):
    x = np.arange(40.0).reshape(20, 2)
    x[11, 1] = np.nan
    arrays = {"x_train": x, "x_test": x[:4], "x_validation": x[:4], "x_calibration": x[:4]}
    with pytest.raises(InputError, match=r"x_train\[11\] cannot be read: it holds NaN"):
        npz(tmp_path, {"x": {"standardize": True}}, **arrays)
    path = tmp_path / "a.npz"
    data = load(Data(source="npz", path=path, inputs={"x": Input(standardize=True)}, on_corrupt="skip"))
    assert sum(len(batch) for batch in data.batches("train", 8)) == 19
    assert list(data.skipped) == ["x_train[11]"]
    kept = np.delete(x, 11, axis=0)
    np.testing.assert_allclose(data.preprocessors["x"].describe()["standardize"]["mean"], kept.mean(axis=0), rtol=1e-6)
