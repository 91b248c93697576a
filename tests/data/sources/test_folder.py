from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess
from pipeline.tensors import only

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "flowers"


def open_folder(path: Path, **changes: object):
    return open_source(Data.model_validate({"source": "folder", "path": path, **changes}))


def names(examples) -> list[str]:
    return [Path(examples.where(i)).name for i in range(len(examples))]


@pytest.fixture
def split_folder(tmp_path, make_image):
    for split in ("train", "test", "val", "calibration"):
        for colour, name in enumerate(("cat", "dog")):
            make_image(tmp_path / "data" / split / name / f"{split}.png", colour=colour)
    return tmp_path / "data"


def test_one_folder_a_class_is_all_training_examples(image_folder):
    source = open_folder(image_folder)
    assert source.class_names == ("cat", "dog")
    assert set(source.splits) == {"train"}
    assert source.splits["train"].labels.tolist() == [0] * 20 + [1] * 20


def test_split_folders_are_splits(split_folder):
    source = open_folder(split_folder)
    assert set(source.splits) == {"train", "test", "validation", "calibration"}
    assert names(source.splits["validation"]) == ["val.png", "val.png"]


def test_every_image_type_counts_whatever_its_case_and_depth_and_others_are_ignored(tmp_path, make_image):
    folder = tmp_path / "data" / "cat"
    for name in ("a.jpg", "b.JPEG", "c.png", "d.BMP", "e.webp", "f.gif", "deeper/g.PNG"):
        make_image(folder / name)
    make_image(folder / ".hidden.png")
    make_image(folder / ".cache" / "h.png")
    make_image(tmp_path / "data" / ".git" / "i.png")
    (folder / "notes.txt").write_text("")
    source = open_folder(tmp_path / "data")
    assert source.class_names == ("cat",)
    assert names(source.splits["train"]) == ["a.jpg", "b.JPEG", "c.png", "d.BMP", "g.PNG", "e.webp", "f.gif"]


def test_an_empty_class_is_named(image_folder):
    (image_folder / "cow").mkdir()
    with pytest.raises(InputError, match=r"pets/cow has no images"):
        open_folder(image_folder)


def test_a_class_of_the_test_that_training_lacks_is_named(split_folder, make_image):
    make_image(split_folder / "test" / "dgo" / "a.png")
    with pytest.raises(InputError, match=r"test split .* class 'dgo'.*Did you mean 'dog'"):
        open_folder(split_folder)


def test_a_folder_that_is_no_split_beside_splits_is_named(split_folder, make_image):
    make_image(split_folder / "tset" / "cat" / "a.png")
    with pytest.raises(InputError, match=r"'tset'.*Did you mean 'test'"):
        open_folder(split_folder)


def test_a_class_may_be_called_train(tmp_path, make_image):
    for name in ("bus", "train"):
        make_image(tmp_path / "data" / name / "a.png")
    assert open_folder(tmp_path / "data").class_names == ("bus", "train")


def test_two_folders_for_one_split_are_refused(split_folder, make_image):
    make_image(split_folder / "validation" / "cat" / "a.png")
    with pytest.raises(InputError, match="both the validation split"):
        open_folder(split_folder)


@pytest.mark.parametrize("kind", ["empty", "file"])
def test_what_is_no_folder_of_classes_is_refused(tmp_path, kind):
    path = tmp_path / "data"
    path.mkdir() if kind == "empty" else path.write_text("")
    with pytest.raises(InputError, match=r"data\.path"):
        open_folder(path)


def test_grey_files_are_grey_only_where_all_are(tmp_path, make_image):
    make_image(tmp_path / "data" / "cat" / "a.png", mode="L")
    assert open_folder(tmp_path / "data").splits["train"][0]["x"].shape == (6, 6, 1)
    make_image(tmp_path / "data" / "cat" / "b.png", mode="RGB")
    assert open_folder(tmp_path / "data").splits["train"][0]["x"].shape == (6, 6, 3)


def test_a_labels_file_decides_the_order_of_the_classes(image_folder, tmp_path):
    (tmp_path / "labels.txt").write_text("dog\ncow\ncat\n")
    source = open_folder(image_folder, labels=tmp_path / "labels.txt")
    assert source.class_names == ("dog", "cow", "cat")
    assert source.splits["train"].labels.tolist() == [2] * 20 + [0] * 20


def test_the_fingerprint_changes_with_a_file_and_only_then(image_folder):
    first = open_folder(image_folder).fingerprint
    assert open_folder(image_folder).fingerprint == first
    os.utime(image_folder / "cat" / "3.png", ns=(1, 1))
    assert open_folder(image_folder).fingerprint == first
    (image_folder / "cat" / "3.png").write_bytes((image_folder / "cat" / "3.png").read_bytes() + b" ")
    assert open_folder(image_folder).fingerprint != first


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/flowers is not here")
def test_real_photos():
    data = load(Data(source="folder", path=SHARED, preprocess=Preprocess(size=(32, 32))))
    assert data.class_names == ("daisy", "dandelion", "rose", "sunflower", "tulip")
    assert data.size("test") == 300
    assert data.size("train") + data.size("calibration") + data.size("validation") == 1500
    assert only(next(data.batches("test", 8)).inputs).shape == (8, 32, 32, 3)
