from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess
from pipeline.tensors import only


def test_the_package_brings_nothing_heavy_along():
    heavy = ["tensorflow", "tf_keras", "keras", "sklearn", "scipy", "tensorflow_datasets"]
    code = f"import sys, pipeline.data; sys.exit(', '.join(set({heavy}) & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_digits_are_the_default_and_have_all_four_splits():
    data = load(Data())
    assert {name: data.size(name) for name in data.splits} == {
        "train": 1094,
        "calibration": 200,
        "validation": 144,
        "test": 359,
    }
    assert data.inputs["x"].shape[1:] == (8, 8, 1)
    assert data.class_names == tuple("0123456789")
    batch = next(data.batches("train", 16))
    assert (only(batch.inputs).min(), only(batch.inputs).max()) == (0, 255)


def test_the_input_shape_is_the_preprocessed_one():
    assert load(Data(preprocess=Preprocess(size=(32, 24), channels=3))).inputs["x"].shape[1:] == (32, 24, 3)


def test_the_same_data_has_the_same_fingerprint_and_other_data_another(tmp_path):
    assert open_source(Data()).fingerprint == open_source(Data(seed=5)).fingerprint
    prints = set()
    for fill, label in ((0, 0), (1, 0), (0, 1)):
        np.savez(tmp_path / "a.npz", x_test=np.full((3, 2), fill), y_test=[0, 0, label])
        prints.add(open_source(Data(source="npz", path=tmp_path / "a.npz")).fingerprint)
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("source", "hint"), [("digit", "Did you mean 'digits'?"), ("imagenet", "Known:"), ("tfds", "tfds:NAME")]
)
def test_an_unknown_source_gets_a_hint(source, hint):
    with pytest.raises(InputError) as raised:
        open_source(Data(source=source))
    assert f"no source '{source}'" in str(raised.value)
    assert hint in str(raised.value)


@pytest.mark.parametrize("source", ["folder", "csv", "npz", "coco", "voc", "yolo", "masks"])
def test_a_missing_path_says_which_and_how_to_give_it(source, tmp_path):
    with pytest.raises(InputError, match=r"needs .*--set data\.path="):
        open_source(Data(source=source))
    with pytest.raises(InputError, match=r"there is no '.*nowhere'.*--set data\.path="):
        open_source(Data(source=source, path=tmp_path / "nowhere"))


@pytest.mark.parametrize("source", ["digits", "keras:mnist", "os:getcwd"])
def test_a_path_that_would_not_be_read_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="reads no path"):
        open_source(Data(source=source, path=tmp_path))


def test_labels_rename_the_classes(tmp_path):
    (tmp_path / "labels.txt").write_text("\n".join(f"number {i}" for i in range(10)))
    assert open_source(Data(labels=tmp_path / "labels.txt")).class_names[3] == "number 3"


def test_fewer_names_than_classes_are_refused(tmp_path):
    (tmp_path / "labels.txt").write_text("zero\none\n")
    with pytest.raises(InputError, match=r"data\.labels names 2 classes"):
        open_source(Data(labels=tmp_path / "labels.txt"))
