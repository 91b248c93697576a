"""Time series are cut into windows, and no step is in two splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

STEPS = 200


def npz(tmp_path, window: dict[str, int], changes: dict[str, Any] | None = None, **arrays: Any) -> Dataset:
    np.savez(tmp_path / "a.npz", **arrays)
    given = {"source": "npz", "path": tmp_path / "a.npz", "window": window} | (changes or {})
    return load(Data.model_validate({"inputs": {"x": {"standardize": False}}, **given}))


def series(steps: int = STEPS) -> np.ndarray:
    """[steps, 2]: the step and its negative."""
    return np.stack([np.arange(steps), -np.arange(steps)], axis=1) + 0.25


def read(data: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    batches = list(data.batches(split, 16))
    return np.concatenate([b.inputs["x"] for b in batches]), np.concatenate([b.targets["y"] for b in batches])


@pytest.mark.parametrize(("stride", "horizon"), [(1, 0), (3, 0), (4, 2)])
def test_a_window_is_so_many_steps_and_its_target_the_one_at_its_end_or_later(tmp_path, stride, horizon):
    window = {"length": 5, "stride": stride, "horizon": horizon}
    data = npz(tmp_path, window, x_test=series(), y_test=np.arange(STEPS) + 0.5)
    x, y = read(data, "test")
    starts = np.arange(0, STEPS - 5 - horizon + 1, stride)
    np.testing.assert_array_equal(x[:, 0, 0], starts + 0.25)
    np.testing.assert_array_equal(x[:, :, 0] - x[:, :1, 0], np.tile(np.arange(5), (len(starts), 1)))
    np.testing.assert_array_equal(y, starts + 4 + horizon + 0.5)
    assert data.split("test").where(1) == f"x_test[{stride}:{stride + 5}]"


def test_a_series_is_split_in_its_order_and_no_step_is_in_two_of_train_validation_and_test(tmp_path):
    data = npz(tmp_path, {"length": 8, "stride": 2, "horizon": 1}, x=series(), y=np.arange(STEPS) + 0.5)
    steps = {}
    for split in data.splits:
        x, y = read(data, split)
        steps[split] = {int(step) for step in x[:, :, 0].ravel()} | {int(step) for step in y}
    training = steps["train"] | steps["calibration"]
    assert max(training) < min(steps["validation"])
    assert max(steps["validation"]) < min(steps["test"])
    assert max(steps["test"]) == STEPS - 1 or max(steps["test"]) == STEPS - 2


def test_of_several_series_each_is_in_one_split_with_its_label(tmp_path):
    x = np.stack([series(30) + 1000 * number for number in range(20)])
    data = npz(tmp_path, {"length": 10, "stride": 5}, x=x, y=np.arange(20) % 3)
    owners = {}
    for split in data.splits:
        windows, labels = read(data, split)
        numbers = (windows[:, 0, 0] // 1000).astype(int)
        np.testing.assert_array_equal(labels, numbers % 3)
        owners[split] = set(numbers.tolist())
    assert not owners["test"] & (owners["train"] | owners["calibration"] | owners["validation"])
    assert not owners["validation"] & (owners["train"] | owners["calibration"])
    assert data.class_names == ("0", "1", "2")
    assert data.split("test").where(0).startswith("x_train[")


def test_of_several_series_targets_may_be_one_a_step(tmp_path):
    x = np.stack([series(30) + 1000 * number for number in range(4)])
    data = npz(tmp_path, {"length": 10, "horizon": 1}, x_test=x, y_test=x[:, :, 0])
    windows, values = read(data, "test")
    np.testing.assert_array_equal(values, windows[:, -1, 0] + 1)


def test_the_series_itself_can_be_what_is_to_be_foretold(tmp_path):
    changes = {"targets": {"y": {"from": "x"}}}
    data = npz(tmp_path, {"length": 10, "horizon": 3}, changes, x_test=series())
    x, y = read(data, "test")
    np.testing.assert_array_equal(y, x[:, -1] + [3, -3])


def test_windows_are_standardized_by_feature(tmp_path):
    np.savez(tmp_path / "a.npz", x=series(), y=np.zeros(STEPS))
    data = load(Data.model_validate({"source": "npz", "path": tmp_path / "a.npz", "window": {"length": 8}}))
    described = data.preprocessors["x"].describe()
    assert described["kind"] == "window"
    assert len(described["standardize"]["mean"]) == 2
    x, _ = read(data, "train")
    assert abs(x.mean()) < 0.01


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_test": series(3)}, "no series of the test split is as long as a window of 5 steps; the longest has 3"),
        ({"x_test": series(), "y_test": np.zeros(7)}, "200 examples but 7 targets 'y'"),
    ],
)
def test_series_that_cannot_be_cut_are_refused(tmp_path, arrays, message):
    with pytest.raises(InputError, match=message):
        npz(tmp_path, {"length": 5}, **arrays)


def test_images_are_no_series(image_folder):
    with pytest.raises(InputError, match="cuts time series, and the input 'x' is of the kind image"):
        load(Data.model_validate({"source": "folder", "path": image_folder, "window": {"length": 5}}))
