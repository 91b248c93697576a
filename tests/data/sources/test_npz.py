from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import Batch, Dataset, load, open_source
from pipeline.data.sources.npz import open_member
from pipeline.errors import InputError, PipelineError
from pipeline.recipe import Data

X = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
Y = np.array([0, 1, 2, 1])


def open_npz(path: Path):
    return open_source(Data(source="npz", path=path))


def member(path: Path, name: str) -> zipfile.ZipInfo:
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(f"{name}.npy")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_compressed_or_not(tmp_path, save):
    save(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2, None])
    source = open_npz(tmp_path / "a.npz")
    assert set(source.splits) == {"train", "test"}
    assert np.array_equal(source.splits["train"][3]["x"], X[3])
    assert source.splits["test"].labels.tolist() == [0, 1]
    assert source.splits["test"].where(1) == "x_test[1]"
    assert source.class_names == ("0", "1", "2")


@pytest.mark.parametrize("x", [X, np.asfortranarray(X.astype(np.float64)), np.zeros((0, 3))], ids=["C", "F", "0"])
def test_an_uncompressed_array_is_mapped_in_place(tmp_path, cache, x):
    np.savez(tmp_path / "a.npz", y=Y, x=x)
    array = open_member(tmp_path / "a.npz", member(tmp_path / "a.npz", "x"))
    assert np.array_equal(array, x)
    assert array.dtype == x.dtype
    if x.size:
        assert isinstance(array, np.memmap)
        assert Path(array.filename) == tmp_path / "a.npz"
    assert not cache.exists()


def test_a_compressed_array_is_unpacked_once_to_the_cache_and_mapped(tmp_path, cache):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=X, y=Y)
    first, second = (open_member(path, member(path, "x")) for _ in range(2))
    assert isinstance(first, np.memmap)
    assert first.filename == second.filename
    assert len(list(cache.rglob("*.npy"))) == 1
    np.savez_compressed(path, x=X + 1, y=Y)
    assert np.array_equal(open_member(path, member(path, "x")), X + 1)


def test_x_and_y_alone_are_split_by_seed(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((50, 2)), y=np.arange(50) % 2)
    data = load(Data(source="npz", path=tmp_path / "a.npz"))
    assert set(data.splits) == {"train", "calibration", "validation", "test"}


def test_validation_and_calibration_are_read_by_either_name(tmp_path):
    np.savez(tmp_path / "a.npz", x_test=X, y_test=Y, x_val=X, y_val=Y, x_calibration=X, y_calibration=Y)
    assert set(open_npz(tmp_path / "a.npz").splits) == {"test", "validation", "calibration"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X}, "has the keys images; it needs x_train"),
        ({"x_train": X, "x_test": X, "y_test": Y}, "train split has no target 'y', which another split has"),
        ({"x_train": X, "x_test": X, "y_train": Y}, "test split has no target 'y', which another split has"),
        ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "train split under two names"),
        ({"x_val": X, "y_val": Y, "x_validation": X, "y_validation": Y}, "validation split under two names"),
        ({"x_train": X, "y_train": Y[:3]}, "train split has 4 examples but 3 targets 'y'"),
        ({"x_train": X, "y_train": [0, 1, -2, 0]}, r"x_train\[2\] has the label -2"),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": [0, 1, 2, 9]},
            r"x_test\[3\] has the label 9.* 3 classes",
        ),
        ({"x_train": X[:0], "y_train": Y[:0]}, "no examples at all"),
        ({"x_train": np.array([{}] * 4), "y_train": Y}, "'x_train' in .*Python objects"),
        ({"x_train": np.array(["a"] * 4), "y_train": Y}, "x_train must be an array of numbers"),
        ({"x_train": 3, "y_train": Y}, "'x_train' in .* is a single value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_archive_is_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        open_npz(tmp_path / "a.npz")


def test_what_is_no_archive_is_refused(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(InputError, match="is not an NPZ file"):
        open_npz(tmp_path / "a.npz")


def test_one_array_is_the_input_without_targets(tmp_path):
    np.save(tmp_path / "a.npy", X)
    [examples] = open_npz(tmp_path / "a.npy").splits.values()
    assert len(examples) == len(X)
    assert not examples.targets
    (tmp_path / "a.npy").write_bytes(b"not numbers")
    with pytest.raises(InputError, match="is not an NPY file"):
        open_npz(tmp_path / "a.npy")


def test_a_damaged_archive_is_refused_and_leaves_nothing_in_the_cache(tmp_path, cache):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random(5000), y=np.zeros(5000))
    content = bytearray(path.read_bytes())
    content[1000:1100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"'x' in .* cannot be read"):
        open_npz(path)
    assert [entry for entry in cache.rglob("*") if entry.is_file()] == []


def load_npz(path: Path, **changes: Any):
    return load(Data.model_validate({"source": "npz", "path": path, **changes}))


def everything(data: Dataset) -> list[Batch]:
    return [batch for split in data.splits for batch in data.batches(split, 4)]


NAMED = {
    "left_train": np.arange(20.0).reshape(10, 2),
    "right_train": np.arange(10, dtype=np.int64),
    "score_train": np.arange(10) / 4,
    "left_test": np.arange(4.0).reshape(2, 2),
    "right_test": np.arange(2, dtype=np.int64),
    "score_test": np.arange(2) / 4,
}


def test_inputs_and_targets_go_by_the_recipes_names(tmp_path):
    np.savez(tmp_path / "a.npz", **NAMED)
    data = load_npz(
        tmp_path / "a.npz",
        inputs={"a": {"from": "left"}, "right": {}},
        targets={"score": {}},
    )
    assert {name: str(spec) for name, spec in (data.inputs | data.targets).items()} == {
        "a": "'a' float32 [?, 2]",
        "right": "'right' int32 [?]",
        "score": "'score' float32 [?]",
    }
    [batch] = data.batches("test", 4)
    np.testing.assert_array_equal(batch.inputs["a"], NAMED["left_test"])
    np.testing.assert_array_equal(batch.inputs["right"], [0, 1])
    np.testing.assert_array_equal(batch.targets["score"], [0, 0.25])


def test_one_input_and_one_target_may_be_called_otherwise_than_x_and_y(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    data = load_npz(tmp_path / "a.npz", inputs={"image": {}}, targets={"answer": {}}, validation=0, calibration=1)
    assert [*data.inputs, *data.targets] == ["image", "answer"]
    assert data.class_names == ("0", "1", "2")


def test_an_array_whose_name_ends_like_a_split_is_found(tmp_path):
    np.savez(tmp_path / "a.npz", my_test=X, y=Y)
    assert load_npz(tmp_path / "a.npz", inputs={"x": {"from": "my_test"}}, test=0, validation=0).size("train") > 0


@pytest.mark.parametrize(
    ("changed", "recipe", "message"),
    [
        ({}, {"inputs": {"left": {}, "rihgt": {}}}, r"input 'left_train' but not 'rihgt_train'.*mean 'right_train'"),
        ({}, {"inputs": {"lift": {}}}, r"it needs 'lift', or 'lift_train' and so on\. Did you mean 'left'"),
        ({}, {"targets": {"scores": {}}}, r"data\.targets: .* has no 'scores'.*Did you mean 'score'"),
        ({"right_test": None}, {}, "input 'left_test' but not 'right_test'"),
        ({"score_test": None}, {}, "the test split has no 'score'"),
        ({"right_train": np.zeros(7)}, {}, "train split has 10 examples of the input 'left' but 7 of 'right'"),
        ({"score_train": np.zeros(7)}, {}, "train split has 10 examples but 7 targets 'score'"),
        (
            {"right_train": np.array([0, 1, 2, np.nan, *range(6)])},
            {},
            r"left_train\[3\] cannot be read: its input 'right' holds NaN",
        ),
    ],
)
def test_named_arrays_that_do_not_fit_are_refused(tmp_path, changed, recipe, message):
    arrays = {name: array for name, array in (NAMED | changed).items() if array is not None}
    np.savez(tmp_path / "a.npz", **arrays)
    given = {"inputs": {"left": {}, "right": {}}, "targets": {"score": {}}, "validation": 0, "calibration": 1}
    with pytest.raises(InputError, match=message):
        everything(load_npz(tmp_path / "a.npz", **(given | recipe)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_header_that_promises_more_than_is_there_is_refused(tmp_path, cache, save):
    path = tmp_path / "a.npz"
    save(path, x=np.zeros((8, 4)))
    with zipfile.ZipFile(path) as archive:
        content = archive.read("x.npy").replace(b"(8, 4)", b"(9999999999, 4)").replace(b" " * 9 + b"\n", b"\n")
        assert b"9999999999" in content
        method = archive.infolist()[0].compress_type
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError, match=r"header promises \[9999999999, 4\] .* are there"):
        open_npz(path)
    assert not list(cache.rglob("array.npy"))


def test_what_does_not_fit_on_the_disk_is_not_unpacked(tmp_path, cache, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.zeros((8, 4)), y=np.zeros(8, int))
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 100}))
    with pytest.raises(PipelineError, match="room for 100") as failed:
        open_npz(path)
    assert failed.value.exit_status == 1
    assert not list(cache.rglob("array.npy"))
