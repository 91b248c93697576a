from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess
from pipeline.tensors import only

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "imagenet_nips17" / "labels.csv"


@pytest.fixture
def write_csv(tmp_path, make_image):
    """Write a CSV beside a.png … e.png, the last two in images/, and return its path."""

    def write(*lines: str) -> Path:
        for place in ("a.png", "b.png", "c.png", "images/d.png", "images/e.png"):
            make_image(tmp_path / place)
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def open_csv(path: Path, **changes: object):
    return open_source(Data.model_validate({"source": "csv", "path": path, **changes}))


def test_files_are_beside_the_csv_or_in_images(write_csv, tmp_path):
    source = open_csv(write_csv("file,label", "a.png,1", "d.png,0", "images/e.png,1"))
    train = source.splits["train"]
    assert [Path(train.where(i)).relative_to(tmp_path) for i in range(3)] == [
        Path("a.png"),
        Path("images/d.png"),
        Path("images/e.png"),
    ]
    assert train.labels.tolist() == [1, 0, 1]
    assert source.class_names == ("0", "1")


def test_labels_may_be_names(write_csv):
    source = open_csv(write_csv("file,label", "a.png,dog", "b.png,cat", "c.png,dog"))
    assert source.class_names == ("cat", "dog")
    assert source.splits["train"].labels.tolist() == [1, 0, 1]


def test_splits_are_taken_from_their_column_and_other_columns_ignored(write_csv):
    source = open_csv(
        write_csv(
            "split,author,label,file",
            "test,x,0,a.png",
            "calibration,x,1,b.png",
            ",x,1,c.png",
            "train,x,0,d.png",
            "val,x,0,e.png",
        )
    )
    assert {name: len(examples) for name, examples in source.splits.items()} == {
        "train": 2,
        "calibration": 1,
        "validation": 1,
        "test": 1,
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,label", "a.png,0"], "no column 'file'; it has image, label"),
        (["file,label"], "has no rows"),
        ([""], "no column 'file'"),
        (["file,label", "a.png,0", "gone.png,1"], r"line 3: there is no file gone\.png"),
        (["file,label", "a.png,0", "b.png,"], "line 3: the label is empty"),
        (["file,label,split", "a.png,0,tset"], "line 2: unknown split 'tset'. Did you mean 'test'"),
        (["file,label,split", "a.png,0,train", "a.png,0,test"], r"a\.png twice, in lines 2 and 3"),
        (["file,label", "a.png,0", "b.png,-1"], r"b\.png has the label -1"),
        (["file,label", "a.png,0", "b.png,nan"], r"b\.png has the label nan"),
        (
            ["file,label,split", "a.png,0,", "b.png,1,", "c.png,2,test"],
            r"c\.png has the label 2, but .* 2 classes",
        ),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(write_csv, lines, message):
    with pytest.raises(InputError, match=message):
        open_csv(write_csv(*lines))


def test_a_label_beyond_the_names_given_is_named(write_csv, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    path = write_csv("file,label", "a.png,0", "b.png,2")
    with pytest.raises(InputError, match=r"b\.png has the label 2, but data\.labels names 2 classes"):
        open_csv(path, labels=tmp_path / "names.txt")


def test_a_binary_file_is_no_csv(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(InputError, match="cannot be read as a CSV file"):
        open_csv(tmp_path / "a.csv")


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/data/imagenet_nips17 is not here")
def test_a_table_without_training_examples_is_used_as_it_is():
    data = load(Data(source="csv", path=SHARED, preprocess=Preprocess(size=(64, 64), scale="-1..1")))
    assert {name: data.size(name) for name in data.splits} == {"calibration": 100, "test": 200}
    batch = next(data.batches("calibration", 4))
    assert only(batch.inputs).shape == (4, 64, 64, 3)
    assert -1 <= only(batch.inputs).min() < only(batch.inputs).max() <= 1
    with pytest.raises(InputError, match="no train split"):
        data.batches("train", 4)
