"""What targets are is told from what is stored, and by the recipe where that could be two things."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess, Target

N = 20


def npz(tmp_path, y: Any, target: dict[str, Any] | None = None, **changes: Any) -> Dataset:
    np.savez(tmp_path / "a.npz", x=np.arange(2.0 * N).reshape(N, 2), y=y)
    given = {"source": "npz", "path": tmp_path / "a.npz", "test": 0, "validation": 0, **changes}
    if target is not None:
        given["targets"] = {"y": target}
    return load(Data.model_validate(given))


def stored(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The first input's first number, which is twice the place in the file, and the target."""
    batches = [batch for split in data.splits for batch in data.batches(split, 8)]
    places = np.concatenate([batch.inputs["x"][:, 0] for batch in batches]).astype(int) // 2
    return places, np.concatenate([batch.targets["y"] for batch in batches])


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("y", "kind", "dtype"),
    [
        (np.arange(N) % 3, "class", np.int64),
        (np.arange(N)[:, None] % 3, "class", np.int64),
        ((np.arange(N) % 3).astype(np.float32), "class", np.int64),
        (np.arange(N) / 3, "value", np.float32),
        (RNG.normal(size=(N, 4)), "value", np.float32),
        (RNG.integers(0, 2, (N, 5)), "multilabel", np.int64),
        (RNG.integers(0, 9, (N, 5)), "sequence", np.int64),
        (RNG.integers(0, 255, (N, 4, 4, 3), dtype=np.uint8), "value", np.float32),
        (RNG.integers(0, 255, (N, 6), dtype=np.uint8), "value", np.float32),
        (RNG.normal(size=(N, 2, 2, 2)), "value", np.float32),
    ],
    ids=["indices", "column", "whole", "numbers", "several", "multi-hot", "sequence", "images", "bytes", "rank 4"],
)
def test_the_kind_is_told_from_the_numbers(tmp_path, y, kind, dtype):
    data = npz(tmp_path, y)
    assert data.target_kinds == {"y": kind}
    assert data.targets["y"].dtype == dtype
    places, targets = stored(data)
    wanted = y[:, 0] if kind == "class" and y.ndim == 2 else y
    np.testing.assert_allclose(targets, wanted[places], rtol=1e-6)
    assert data.targets["y"].shape == (-1, *targets.shape[1:])
    assert data.class_names == (("0", "1", "2") if kind == "class" else ())


def test_one_hot_rows_are_classes(tmp_path):
    data = npz(tmp_path, np.eye(4)[np.arange(N) % 4])
    places, targets = stored(data)
    assert data.target_kinds == {"y": "class"}
    np.testing.assert_array_equal(targets, places % 4)


def test_whole_numbers_are_values_where_the_recipe_or_the_task_says_so(tmp_path):
    y = np.arange(N) * 1000 - 5
    data = npz(tmp_path, y, {"kind": "value"})
    assert data.targets["y"].dtype == np.float32
    places, targets = stored(data)
    np.testing.assert_array_equal(targets, y[places])
    by_task = load(Data(source="npz", path=tmp_path / "a.npz"), target_kind="value")
    assert by_task.target_kinds == {"y": "value"}


def test_the_recipe_goes_before_the_task(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((N, 2)), y=np.arange(N) % 2)
    data = Data(source="npz", path=tmp_path / "a.npz", targets={"y": Target(kind="class")})
    assert load(data, target_kind="value").target_kinds == {"y": "class"}


def test_a_wrong_class_index_says_how_to_have_values(tmp_path):
    with pytest.raises(InputError, match=r"has the label -5.*--set data\.targets\.y\.kind=value"):
        npz(tmp_path, np.arange(N) - 5)


def test_a_few_rows_that_look_one_hot_by_chance_do_not_decide(tmp_path):
    many = RNG.integers(0, 2, (N, 3))
    arrays = {"x_train": np.zeros((N, 2)), "y_train": many, "x_test": np.zeros((2, 2)), "y_test": np.eye(3)[:2]}
    np.savez(tmp_path / "a.npz", **arrays)
    data = load(Data(source="npz", path=tmp_path / "a.npz"))
    assert data.target_kinds == {"y": "multilabel"}
    assert next(data.batches("test", 2)).targets["y"].tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("y", "kind", "message"),
    [
        (np.full((N, 2), 2), "multilabel", r"of x_train\[0\] is not 0 or 1 for each label"),
        (np.full((N, 2), 0.5), "sequence", r"of x_train\[0\] is not whole numbers"),
        (np.zeros(N), "sequence", r"needs whole numbers, one a step, \[examples, labels\]; it has \[20\]"),
        (np.full(N, 0.5), "class", r"x_train\[0\] has the label 0\.5"),
        (np.array(["a"] * N), None, "must be class indices or other numbers, not <U1"),
    ],
)
def test_what_is_not_of_the_kind_asked_for_is_refused_and_named(tmp_path, y, kind, message):
    with pytest.raises(InputError, match=message):
        npz(tmp_path, y, {"kind": kind})


def test_a_value_that_is_nan_is_a_broken_example(tmp_path):
    y = np.arange(N) / 3
    y[4] = np.nan
    with pytest.raises(InputError, match=r"x_train\[4\] cannot be read: its target 'y' holds NaN"):
        stored(npz(tmp_path, y))
    places, _ = stored(npz(tmp_path, y, on_corrupt="skip"))
    assert sorted(places) == [place for place in range(N) if place != 4]


def test_values_can_be_standardized(tmp_path):
    y = np.arange(N) * 10.0 + 0.5
    data = npz(tmp_path, y, {"standardize": True}, calibration=1)
    statistics = data.target_preprocessors["y"].describe()["standardize"]
    places, targets = stored(data)
    np.testing.assert_allclose(targets * statistics["std"][0] + statistics["mean"][0], y[places], rtol=1e-5)


def test_classes_cannot_be_standardized(tmp_path):
    with pytest.raises(InputError, match=r"data\.targets\.y: standardize and preprocess are for values"):
        npz(tmp_path, np.arange(N) % 2, {"standardize": True})


def test_without_targets_batches_have_none(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((N, 2)))
    data = load(Data(source="npz", path=tmp_path / "a.npz"))
    assert data.targets == {}
    assert data.class_names == ()
    assert next(data.batches("test", 4)).targets == {}
    with pytest.raises(InputError, match="no target of classes"):
        data.labels("test")


def test_targets_that_are_there_can_be_left_out(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((N, 2)), y=np.arange(N))
    assert load(Data(source="npz", path=tmp_path / "a.npz", targets={})).targets == {}


def test_a_copy_of_an_input_is_what_the_model_is_fed(tmp_path):
    preprocess = Preprocess(size=(6, 6), scale="0..1")
    data = load(Data(source="digits", targets={"image": Target(copy_of="x")}, preprocess=preprocess))
    batch = next(data.batches("train", 8))
    np.testing.assert_array_equal(batch.targets["image"], batch.inputs["x"])
    assert data.targets["image"].shape == data.inputs["x"].shape


def test_a_copy_stands_beside_labels_and_changes_with_its_image():
    from pipeline.recipe import Augment

    data = load(Data(source="digits", targets={"y": Target(), "image": Target(copy_of="x")}))
    assert data.class_names == tuple("0123456789")
    changed = next(data.batches("train", 8, augment=Augment(flip=True, shift=0.3), shuffle_seed=1))
    np.testing.assert_array_equal(changed.targets["image"], changed.inputs["x"])
    assert changed.targets["y"].shape == (8,)


def test_images_as_targets_are_prepared_and_changed_as_the_inputs_are(tmp_path):
    from pipeline.recipe import Augment

    images = RNG.integers(0, 256, (N, 6, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=images)
    data = load(Data(source="npz", path=tmp_path / "a.npz", preprocess=Preprocess(scale="-1..1")))
    assert data.target_preprocessors["y"].describe()["scale"] == "-1..1"
    for augment in (None, Augment(flip=True, shift=0.4)):
        batch = next(data.batches("train", 8, augment=augment, shuffle_seed=0))
        np.testing.assert_array_equal(batch.targets["y"], batch.inputs["x"])
