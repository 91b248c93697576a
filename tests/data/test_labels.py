from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.labels import Where, class_indices, name_classes, order_classes, read_class_names
from pipeline.errors import InputError


def where(index: int) -> str:
    return f"x_train[{index}]"


@pytest.mark.parametrize(
    "stored",
    [[2, 0, 1], [[2], [0], [1]], [2.0, 0.0, 1.0], np.array([2, 0, 1], np.uint8), np.eye(3)[[2, 0, 1]]],
    ids=["indices", "column", "float", "uint8", "one-hot"],
)
def test_labels_become_class_indices(stored):
    labels, classes = class_indices(stored, where)
    assert labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 1]
    assert classes == 3


def test_one_hot_rows_show_classes_that_no_example_has():
    assert class_indices(np.eye(5)[[0, 1]], where)[1] == 5


@pytest.mark.parametrize("wrong", [-1, float("nan"), 0.5, 1e9], ids=str)
def test_what_is_no_class_index_is_named(wrong):
    with pytest.raises(InputError, match=r"x_train\[1\] has the label"):
        class_indices([0, wrong, 2], where)


def test_a_row_that_is_not_one_hot_is_named():
    with pytest.raises(InputError, match=r"x_train\[1\] is not one-hot"):
        class_indices([[0, 1], [1, 1]], where)


@pytest.mark.parametrize("stored", [["cat", "dog"], np.zeros((2, 3, 4))], ids=["words", "rank 3"])
def test_other_labels_are_refused(stored):
    with pytest.raises(InputError):
        class_indices(stored, where)


def examples(*labels: int) -> tuple[np.ndarray, Where]:
    return np.array(labels), lambda index: f"x_test[{index}]"


def test_names_given_go_before_the_sources_and_those_before_numbers():
    splits = {"test": examples(0, 1)}
    assert name_classes(splits, ("a", "b"), ("c", "d"), 2) == ("a", "b")
    assert name_classes(splits, None, ("c", "d"), 2) == ("c", "d")
    assert name_classes(splits, None, None, 2) == ("0", "1")


def test_there_may_be_more_names_than_labels():
    assert len(name_classes({"test": examples(0)}, tuple("abc"), None, 1)) == 3


@pytest.mark.parametrize(
    ("given", "native", "origin"),
    [
        (("a", "b"), None, "data.labels names"),
        (None, ("a", "b"), "source names"),
        (None, None, "training labels"),
    ],
)
def test_a_label_without_a_name_is_named(given, native, origin):
    with pytest.raises(InputError, match=rf"x_test\[1\] has the label 2, but .*{origin} .*2 classes, 0 to 1"):
        name_classes({"test": examples(0, 2)}, given, native, 2)


def test_class_names_are_numbered_in_sorted_order():
    assert order_classes(["dog", "cat", "dog"], None) == (("cat", "dog"), {"cat": 0, "dog": 1})


def test_a_labels_file_with_the_names_decides_their_order_and_may_have_more():
    names, index_of = order_classes(["cat", "dog"], ("dog", "cow", "cat"))
    assert names == ("dog", "cow", "cat")
    assert index_of == {"cat": 2, "dog": 0}


def test_a_labels_file_with_as_many_other_names_renames():
    assert order_classes(["n01", "n02"], ("cat", "dog")) == (("cat", "dog"), {"n01": 0, "n02": 1})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("cat", "dgo"), r"'dog' is not in data.labels\. Did you mean 'dgo'"),
        (("a", "b", "c"), "3 names, none of them"),
    ],
)
def test_a_labels_file_that_fits_neither_way_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        order_classes(["cat", "dog"], given)


def test_class_names_are_read_a_line_each(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\nhot dog \n\n", encoding="utf-8")
    assert read_class_names(tmp_path / "labels.txt") == ("cat", "hot dog")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"], ids=["missing", "empty", "binary"])
def test_a_labels_file_that_cannot_be_used_is_named(tmp_path, content):
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"data\.labels: .*labels\.txt"):
        read_class_names(path)


def test_a_name_twice_is_refused_with_both_lines(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\n cat\n")
    with pytest.raises(InputError, match=r"'cat' twice, in lines 1 and 3"):
        read_class_names(path)
