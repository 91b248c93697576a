"""A CSV file without a column of files is a table; wrong values are named by line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

KEYPOINTS = Path(__file__).parents[3].parent / "shared" / "data" / "hand_keypoints" / "keypoint.csv"

ROWS = ["size,rooms,age,town,price", *(f"{40 + i},{1 + i % 4},{i},{'ab'[i % 2]},{1000 * i}" for i in range(20))]


def read(tmp_path: Path, lines: list[str], **changes: Any) -> Dataset:
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    given = {"source": "csv", "path": tmp_path / "a.csv", "test": 0, "validation": 0, "calibration": 4, **changes}
    return load(Data.model_validate(given))


def everything(data: Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    batches = [batch for split in data.splits for batch in data.batches(split, 8)]
    return tuple(
        {name: np.concatenate([getattr(batch, what)[name] for batch in batches]) for name in getattr(batches[0], what)}
        for what in ("inputs", "targets")
    )


def test_the_input_is_every_column_of_numbers_but_the_target(tmp_path):
    data = read(tmp_path, ROWS, targets={"y": {"columns": ["price"]}}, inputs={"x": {"standardize": False}})
    inputs, targets = everything(data)
    assert data.preprocessors["x"].describe()["columns"] == ["size", "rooms", "age"]
    assert data.target_kinds == {"y": "value"}
    np.testing.assert_array_equal(targets["y"], 1000 * inputs["x"][:, 2])


def test_tables_are_standardized_unless_the_recipe_scales_them(tmp_path):
    targets = {"y": {"columns": ["price"]}}
    data = read(tmp_path, ROWS, targets=targets, calibration=1)
    described = data.preprocessors["x"].describe()
    assert described["kind"] == "table"
    x = np.concatenate([batch.inputs["x"] for batch in data.batches("train", 8)])
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    scaled = {"x": {"preprocess": {"scale": "mean_std", "mean": [1], "std": [2]}}}
    assert "standardize" not in read(tmp_path, ROWS, targets=targets, inputs=scaled).preprocessors["x"].describe()


def test_columns_can_be_several_inputs_and_targets(tmp_path):
    data = read(
        tmp_path,
        ROWS,
        inputs={"house": {"columns": ["rooms", "size"], "standardize": False}, "age": {"standardize": False}},
        targets={"price": {}, "where": {"from": "town"}},
    )
    inputs, targets = everything(data)
    np.testing.assert_array_equal(inputs["house"][:, 1], 40 + inputs["age"][:, 0])
    assert data.target_kinds == {"price": "class", "where": "class"}  # whole numbers are classes unless it is said
    np.testing.assert_array_equal(targets["where"], inputs["age"][:, 0] % 2)
    assert data.known["where"].class_names == ("a", "b")


def test_a_column_called_label_is_the_target(tmp_path):
    lines = ["a,b,label", *(f"{i},{i * i},{'cat' if i % 3 else 'dog'}" for i in range(12))]
    data = read(tmp_path, lines)
    assert data.class_names == ("cat", "dog")
    assert data.inputs["x"].shape == (-1, 2)


def test_several_columns_of_0_and_1_can_be_labels(tmp_path):
    lines = ["a,wet,cold", *(f"{i},{i % 2},{i % 3 == 0:d}" for i in range(12))]
    data = read(tmp_path, lines, targets={"y": {"columns": ["wet", "cold"], "kind": "multilabel"}})
    assert data.targets["y"].dtype == np.int64
    assert data.targets["y"].shape == (-1, 2)


def test_a_column_splits(tmp_path):
    lines = ["a,label,split", "1,0,train", "2,1,train", "3,0,test", "4,1,val", "5,1,calibration"]
    data = read(tmp_path, lines)
    assert {name: data.size(name) for name in data.splits} == {
        "train": 2,
        "calibration": 1,
        "validation": 1,
        "test": 1,
    }


def test_groups_of_a_column_stay_together(tmp_path):
    data = read(tmp_path, ROWS, targets={"y": {"columns": ["price"]}}, split_by={"group": "town", "test": ["b"]})
    assert data.size("test") == 10
    assert all(int(data.split("test").where(i).split()[-1]) % 2 == 1 for i in range(10))


def test_the_fingerprint_changes_with_any_value(tmp_path):
    targets = {"y": {"columns": ["price"]}}
    first = read(tmp_path, ROWS, targets=targets).fingerprint
    assert read(tmp_path, ROWS, targets=targets).fingerprint == first
    assert read(tmp_path, [*ROWS[:-1], "59,4,19,b,1"], targets=targets).fingerprint != first
    assert read(tmp_path, [*ROWS[:-1], "59,4,18,b,19000"], targets=targets).fingerprint != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((5, "44,one,4,a,4000"), r"a\.csv, line 6, column 'rooms': 'one' is not a number"),
        ((5, "44,,4,a,4000"), r"a\.csv, line 6, column 'rooms': the value is missing.*on_corrupt=skip"),
        ((5, "44,nan,4,a,4000"), r"line 6, column 'rooms': 'nan' is no finite number"),
        ((5, "44,1,4,a,dear"), r"line 6, column 'price': 'dear' is not a number"),
        ((5, "44,1,4,a"), r"line 6: it has 4 values, and the header names 5 columns"),
        ((0, "size,rooms,age,town,cost"), r"data\.targets\.y\.columns: .* no column 'price'; it has size, rooms"),
        ((0, "size,rooms,age,town,prices"), r"Did you mean 'prices'"),
        ((0, "price,price,age,town,size"), "two columns called 'price'"),
    ],
)
def test_a_wrong_value_is_named_by_file_line_and_column(tmp_path, change, message):
    lines = list(ROWS)
    lines[change[0]] = change[1]
    with pytest.raises(InputError, match=message):
        read(tmp_path, lines, targets={"y": {"columns": ["price"]}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"no column 'file' and no column 'label'.*data\.targets=\{\}"),
        ({"targets": {}, "inputs": {"x": {"columns": ["room"]}}}, r"data\.inputs\.x: .*no column 'room'.*mean 'rooms'"),
        ({"targets": {"y": {"columns": ["price"], "from": "age"}}}, "takes from or columns of a CSV, not both"),
        ({"targets": {"y": {"from": "town", "kind": "value"}}}, r"line 2, column 'town': 'a' is not a number, as"),
        ({"targets": {}, "split_by": {"group": "twon"}}, r"split_by\.group: there is no 'twon'.*mean 'town'"),
        ({"targets": {}, "split_by": {"group": "town", "test": ["c"]}}, r"no example's town is 'c'\. Known: a, b"),
        ({"targets": {}, "split_by": {"group": "town", "test": ["a", "b"]}}, "takes every town"),
    ],
)
def test_a_recipe_that_does_not_fit_the_table_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, ROWS, **changes)


def test_rows_with_gaps_can_be_skipped(tmp_path):
    lines = [*ROWS]
    lines[5] = "44,,4,a,4000"
    data = read(tmp_path, lines, targets={"y": {"columns": ["price"]}}, on_corrupt="skip")
    inputs, _ = everything(data)
    assert len(inputs["x"]) == 19
    assert list(data.skipped) == [f"{tmp_path / 'a.csv'}, line 6"]


def test_a_table_without_targets_has_to_be_asked_for(tmp_path):
    data = read(tmp_path, ROWS, targets={})
    assert data.targets == {}
    assert data.inputs["x"].shape == (-1, 4)


def test_without_a_header_columns_are_called_by_number(tmp_path):
    lines = [f"{i % 2},{i},{-i}" for i in range(12)]
    with pytest.raises(InputError, match=r"--set data\.header=false"):
        read(tmp_path, lines)
    data = read(tmp_path, lines, header=False, targets={"y": {"from": 0}})
    assert data.target_kinds == {"y": "class"}
    assert data.preprocessors["x"].describe()["columns"] == ["1", "2"]
    assert sum(data.size(split) for split in data.splits) == 12


def test_files_and_numbers_can_be_inputs_together(tmp_path, make_image):
    for i in range(8):
        make_image(tmp_path / f"{i}.png", colour=10 * i)
    lines = ["photo,weight,label", *(f"{i}.png,{i},{i % 2}" for i in range(8))]
    inputs = {"photo": {}, "weight": {"columns": ["weight"], "standardize": False}}
    data = read(tmp_path, lines, inputs=inputs)
    read_inputs, targets = everything(data)
    np.testing.assert_array_equal(read_inputs["photo"][:, 0, 0, 0], 10 * read_inputs["weight"][:, 0])
    np.testing.assert_array_equal(targets["y"], read_inputs["weight"][:, 0] % 2)
    assert {name: one.describe()["kind"] for name, one in data.preprocessors.items()} == {
        "photo": "image",
        "weight": "table",
    }


def test_a_column_of_files_can_be_the_target(tmp_path, make_image):
    for i in range(8):
        make_image(tmp_path / f"noisy{i}.png", colour=10 * i)
        make_image(tmp_path / f"clean{i}.png", colour=10 * i + 1)
    lines = ["file,clean", *(f"noisy{i}.png,clean{i}.png" for i in range(8))]
    data = read(tmp_path, lines, targets={"clean": {}})
    inputs, targets = everything(data)
    np.testing.assert_array_equal(targets["clean"], inputs["x"] + 1)


def test_files_without_labels_are_enough(tmp_path, make_image):
    for i in range(8):
        make_image(tmp_path / f"{i}.png")
    data = read(tmp_path, ["file", *(f"{i}.png" for i in range(8))])
    assert data.targets == {}
    with pytest.raises(InputError, match=r"no column 'label'.*Did you mean 'labels'"):
        read(tmp_path, ["file,labels", *(f"{i}.png,1" for i in range(8))])


@pytest.mark.skipif(not KEYPOINTS.is_file(), reason="../shared/data/hand_keypoints is not here")
def test_a_real_table_of_hand_landmarks():
    data = load(
        Data.model_validate(
            {
                "source": "csv",
                "path": KEYPOINTS,
                "header": False,
                "inputs": {"landmarks": {"standardize": False}},
                "targets": {"gesture": {"from": 0}},
            }
        )
    )
    assert data.inputs["landmarks"].shape == (-1, 42)
    assert sum(data.size(split) for split in data.splits) == 4450
    assert data.target_kinds == {"gesture": "class"}
