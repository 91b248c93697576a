from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import Batch, Column, Dataset, Examples, KnownTarget, load
from pipeline.data.columns import ArrayColumn
from pipeline.data.loader import BLOCK, specs_of
from pipeline.data.preparation import prepare
from pipeline.errors import InputError
from pipeline.recipe import Augment, Data, Preprocess
from pipeline.tensors import only


class Numbered:
    """Examples [i, i, i] that count how often they are read, from any number of threads."""

    kind = "array"
    names = ()

    def __init__(self, count: int, delay: float = 0) -> None:
        self._count = count
        self.read: list[int] = []
        self._delay = delay

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        time.sleep(self._delay * (index % 3))
        self.read.append(index)
        return np.full(3, index, np.float32)

    def where(self, index: int) -> str:
        return f"x[{index}]"


def dataset(column: Column, **changes: Any) -> Dataset:
    """A data set with the one input x, whose labels are the position modulo 7."""
    classes = np.arange(len(column)) % 7
    splits = {"train": Examples({"x": column}, {"y": ArrayColumn(classes, "y")}, classes)}
    known = {"y": KnownTarget("class", tuple("0123456"))}
    preparation, inputs, targets, where = prepare(splits, known, Data(), None)
    fields = {"shapes_from": where, "on_corrupt": "fail"} | changes
    return Dataset(splits, preparation, specs_of(inputs), specs_of(targets), known, "fingerprint", **fields)


def joined(batches: list[Batch]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([only(batch.inputs) for batch in batches]), np.concatenate(
        [only(batch.targets) for batch in batches]
    )


def reader_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("data")]


def test_batches_are_float32_with_int64_labels_and_the_last_may_be_smaller():
    batches = list(dataset(Numbered(10)).batches("train", 4))
    assert [only(batch.inputs).shape for batch in batches] == [(4, 3), (4, 3), (2, 3)]
    assert {only(batch.inputs).dtype for batch in batches} == {np.dtype(np.float32)}
    assert {only(batch.targets).dtype for batch in batches} == {np.dtype(np.int64)}


def test_a_smaller_last_batch_can_be_left_out():
    batches = dataset(Numbered(10)).batches("train", 4, drop_remainder=True)
    assert [len(only(batch.targets)) for batch in batches] == [4, 4]


@pytest.mark.parametrize("batch_size", [1, BLOCK, BLOCK + 1, 150])
def test_without_a_seed_examples_come_once_each_in_stored_order(batch_size):
    x, y = joined(list(dataset(Numbered(150)).batches("train", batch_size)))
    assert x[:, 0].tolist() == list(range(150))
    assert y.tolist() == [i % 7 for i in range(150)]


def test_a_seed_shuffles_examples_together_with_their_labels():
    x, y = joined(list(dataset(Numbered(100)).batches("train", 8, shuffle_seed=3)))
    assert x[:, 0].tolist() != list(range(100))
    assert sorted(x[:, 0].tolist()) == list(range(100))
    assert (y == x[:, 0] % 7).all()


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_makes_no_difference(workers):
    pixels = np.random.default_rng(0).random((90, 6, 6, 1), np.float32)
    images = dataset(ArrayColumn(pixels, "x"))

    def go(workers: int) -> np.ndarray:
        augment = Augment(flip=True, shift=0.3)
        return joined(list(images.batches("train", 8, shuffle_seed=1, augment=augment, workers=workers)))[0]

    assert np.array_equal(go(workers), go(2))
    slow = dataset(Numbered(30, delay=0.001))
    assert joined(list(slow.batches("train", 2, workers=workers)))[0][:, 0].tolist() == list(range(30))


def test_augmentation_changes_with_the_seed():
    pixels = np.random.default_rng(0).random((4, 6, 6, 1), np.float32)
    images = dataset(ArrayColumn(pixels, "x"))
    epochs = [
        joined(list(images.batches("train", 4, shuffle_seed=seed, augment=Augment(shift=0.5))))[0] for seed in (1, 1, 2)
    ]
    assert np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(np.sort(epochs[0], axis=0), np.sort(epochs[2], axis=0))


def test_only_images_can_be_augmented():
    with pytest.raises(InputError, match=r"data\.augment is for images; the data has 'x' \[3\]"):
        dataset(Numbered(4)).batches("train", 2, augment=Augment(flip=True))


def test_only_what_is_near_is_read():
    examples = Numbered(100_000)
    data = dataset(examples)
    next(data.batches("train", 8))
    assert len(set(examples.read)) < 8 * 10


def test_reading_ahead_is_bounded_while_the_consumer_waits():
    examples = Numbered(10_000)
    batches = dataset(examples).batches("train", 4, workers=3)
    for _ in range(5):
        next(batches)
        time.sleep(0.02)
    assert len(examples.read) < 4 * 15


def test_stopping_early_leaves_no_threads():
    before = len(reader_threads())
    for _ in dataset(Numbered(10_000, delay=0.001)).batches("train", 4):
        break
    deadline = time.monotonic() + 5
    while len(reader_threads()) > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(reader_threads()) == before


def test_an_error_on_the_way_ends_the_iteration_without_threads():
    before = len(reader_threads())
    x = np.zeros((1000, 2))
    x[500] = np.nan
    with pytest.raises(InputError):
        list(dataset(ArrayColumn(x, "x_train")).batches("train", 4))
    assert len(reader_threads()) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_and_named(value):
    x = np.zeros((10, 2))
    x[7, 1] = value
    data = dataset(ArrayColumn(x, "x_train"))
    with pytest.raises(InputError, match=r"x_train\[7\] cannot be read: it holds NaN or infinite values"):
        list(data.batches("train", 4))


def test_sizes_and_labels_are_known_without_reading():
    examples = Numbered(10)
    data = dataset(examples)
    examples.read.clear()
    assert data.size("train") == len(data.split("train")) == 10
    assert data.labels("train").tolist() == [i % 7 for i in range(10)]
    assert examples.read == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tset", "no split 'tset'. Did you mean 'test'?"),
        ("nope", "Known:"),
        ("test", "no test split, only train"),
    ],
)
def test_a_split_that_is_not_there_is_refused_at_once(name, message):
    with pytest.raises(InputError) as raised:
        dataset(Numbered(4)).batches(name, 2)
    assert message in str(raised.value)


def load_folder(folder: Path, **changes: Any) -> Dataset:
    return load(Data(source="folder", path=folder, test=0, validation=0, **changes))


def everything(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return joined([batch for split in data.splits for batch in data.batches(split, 4)])


def test_a_corrupt_image_fails_with_its_name_the_reason_and_the_way_round(image_folder):
    corrupt = image_folder / "dog" / "7.png"
    corrupt.write_bytes(b"not an image")
    with pytest.raises(InputError) as raised:
        everything(load_folder(image_folder))
    assert str(corrupt) in str(raised.value)
    assert "cannot identify image file" in str(raised.value)
    assert "--set data.on_corrupt=skip" in str(raised.value)


def test_corrupt_images_can_be_skipped_and_are_counted_and_named(image_folder):
    corrupt = [image_folder / "cat" / "0.png", image_folder / "dog" / "7.png"]
    for path in corrupt:
        path.write_bytes(b"not an image")
    data = load_folder(image_folder, on_corrupt="skip")
    for _ in range(2):  # a second epoch counts none of them twice
        x, y = everything(data)
        assert len(y) == 38
        assert ((x[:, 0, 0, 0] >= 100) == (y == 1)).all()
    assert set(data.skipped) == {str(path) for path in corrupt}


def test_when_all_are_corrupt_there_is_nothing_to_skip_to(image_folder):
    for path in image_folder.rglob("*.png"):
        path.write_bytes(b"not an image")
    with pytest.raises(InputError, match="None of the examples can be read"):
        load_folder(image_folder, on_corrupt="skip")


def test_mixed_sizes_are_refused_naming_two_and_the_setting(image_folder, make_image):
    odd = make_image(image_folder / "dog" / "odd.png", size=(5, 9))
    with pytest.raises(InputError) as raised:
        everything(load_folder(image_folder))
    for part in ("[6, 6, 3]", str(odd), "[5, 9, 3]", "data.preprocess.size"):
        assert part in str(raised.value)


def test_mixed_sizes_are_fine_once_resized(image_folder, make_image):
    make_image(image_folder / "dog" / "odd.png", size=(5, 9))
    data = load_folder(image_folder, preprocess=Preprocess(size=(4, 4), channels=1))
    assert data.inputs["x"].shape[1:] == (4, 4, 1)
    assert everything(data)[0].shape == (41, 4, 4, 1)


def test_what_cannot_be_preprocessed_is_named(image_folder):
    with pytest.raises(InputError, match=r"\.png: data\.preprocess\.mean has 2 values"):
        load_folder(image_folder, preprocess=Preprocess(scale="mean_std", mean=(1, 2), std=(1, 2)))


@pytest.mark.parametrize("of", [2, 4])
@pytest.mark.parametrize("seed", [None, 3])
def test_the_shares_of_a_batch_are_together_the_batch(of, seed):
    data = dataset(Numbered(40))
    wholes = list(data.batches("train", 16, shuffle_seed=seed))
    shares = [list(data.batches("train", 16, shuffle_seed=seed, share=(index, of))) for index in range(of)]
    for whole, *parts in zip(wholes, *shares, strict=True):
        np.testing.assert_array_equal(np.concatenate([only(part.inputs) for part in parts]), only(whole.inputs))
        np.testing.assert_array_equal(np.concatenate([only(part.targets) for part in parts]), only(whole.targets))


def test_a_share_reads_only_its_own_examples_and_leaves_out_what_does_not_divide():
    examples = Numbered(11)
    data = dataset(examples)
    examples.read.clear()
    [first, last] = data.batches("train", 8, share=(1, 2))
    assert only(first.inputs)[:, 0].tolist() == [4, 5, 6, 7]
    assert only(last.inputs)[:, 0].tolist() == [9]
    assert sorted(examples.read) == [4, 5, 6, 7, 9]
