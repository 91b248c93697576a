from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.tensors import only

MODULE = "examples_for_a_test"


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module into the current directory; it is forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(body: str) -> str:
        (tmp_path / f"{MODULE}.py").write_text(f"import numpy as np\n{body}\n")
        return f"{MODULE}:examples"

    yield write
    sys.modules.pop(MODULE, None)


def answering(answer: str) -> str:
    return f"def examples():\n    return {answer}"


def test_a_module_in_the_current_directory_answers_with_arrays(write_module):
    source = open_source(
        Data(
            source=write_module(
                answering(
                    "{'train': (np.ones((6, 2)), [0, 1] * 3), 'test': (np.zeros((2, 2)), [0, 1]), "
                    "'class_names': ['cat', 'dog']}"
                )
            )
        )
    )
    assert {name: len(examples) for name, examples in source.splits.items()} == {"train": 6, "test": 2}
    assert source.class_names == ("cat", "dog")


def test_x_may_be_anything_with_a_length_and_integer_indexing(write_module):
    body = (
        "class Squares:\n"
        "    def __len__(self): return 40\n"
        "    def __getitem__(self, index): return np.full((4, 4), index, np.uint8)\n"
        + answering("{'train': (Squares(), [i % 2 for i in range(40)])}")
    )
    data = load(Data(source=write_module(body)))
    assert data.inputs["x"].shape[1:] == (4, 4, 1)
    x = np.concatenate([only(batch.inputs) for split in data.splits for batch in data.batches(split, 4)])
    assert sorted(x[:, 0, 0, 0].tolist()) == list(range(40))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def exmples(): ...", "no function 'examples'. Did you mean 'exmples'"),
        ("import no_such_module_at_all", "importing .* raised ModuleNotFoundError: No module named 'no_such"),
        ("def examples(): return 1 / 0", "raised ZeroDivisionError"),
        (answering("[1, 2]"), r"must return .*not list"),
        (answering("{'tets': ([], [])}"), "unknown split 'tets'. Did you mean 'test'"),
        (answering("{'train': 3}"), "for 'train' a int, not a pair"),
        (answering("{'train': ((i for i in range(3)), [0, 1, 2])}"), "for 'train' a generator as x"),
        (answering("{'train': ([1.0, 2.0], [0])}"), "2 examples but 1 targets 'y'"),
        (answering("{'train': ([1.0, 2.0], [0, -1])}"), r"x_train\[1\] has the label -1"),
        (answering("{'train': ([1.0], ['cat'])}"), "must be class indices"),
        (answering("{'train': ([1.0], [0]), 'class_names': 'cat'}"), "class_names that are not a list"),
        (answering("{}"), "no examples at all"),
    ],
)
def test_a_wrong_answer_is_refused(write_module, body, message):
    with pytest.raises(InputError, match=message):
        open_source(Data(source=write_module(body)))


def test_a_module_that_is_not_there_is_named_with_the_other_sources_that_have_a_colon():
    with pytest.raises(InputError, match=r"no Python module 'kears' .*keras:NAME, tfds:NAME"):
        open_source(Data(source="kears:cifar10"))


def test_inputs_and_targets_may_have_names_that_need_no_recipe(write_module):
    body = answering(
        "{'train': ({'left': np.zeros((10, 4)), 'right': np.ones((10, 3), np.int32)}, {'score': np.arange(10) / 3})}"
    )
    data = load(Data(source=write_module(body)))
    assert {name: str(spec) for name, spec in (data.inputs | data.targets).items()} == {
        "left": "'left' float32 [?, 4]",
        "right": "'right' int32 [?, 3]",
        "score": "'score' float32 [?]",
    }


@pytest.mark.parametrize("answer", ["np.zeros((10, 4))", "{'a': np.zeros((10, 4))}"])
def test_inputs_alone_are_enough(write_module, answer):
    data = load(Data(source=write_module(answering(f"{{'train': {answer}}}"))))
    assert data.targets == {}
    assert data.size("train") == 6


def test_class_names_may_be_those_of_one_of_several_targets(write_module):
    body = answering(
        "{'train': (np.zeros((10, 4)), {'kind': np.arange(10) % 2, 'size': np.arange(10) / 3}), "
        "'class_names': {'kind': ['cat', 'dog']}}"
    )
    data = load(Data(source=write_module(body)))
    assert data.target_kinds == {"kind": "class", "size": "value"}
    assert data.class_names == ("cat", "dog")


def test_sequences_of_different_lengths_are_filled_up(write_module):
    body = answering(
        "{'train': (np.zeros((4, 2)), [[1, 2, 3], [4], [5, 6], [7]]), 'test': (np.zeros((1, 2)), [[1, 1, 1, 1]])}"
    )
    source = write_module(body)
    data = load(Data(source=source, validation=0, calibration=1))
    assert data.target_kinds == {"y": "sequence"}
    assert next(data.batches("test", 1)).targets["y"].tolist() == [[1, 1, 1, 1]]
    rows = [
        row for split in ("train", "calibration") for b in data.batches(split, 4) for row in b.targets["y"].tolist()
    ]
    assert sorted(rows) == [[1, 2, 3, -1], [4, -1, -1, -1], [5, 6, -1, -1], [7, -1, -1, -1]]
    other = load(Data.model_validate({"source": source, "targets": {"y": {"padding": 0}}, "validation": 0}))
    assert next(other.batches("train", 1)).targets["y"].min() == 0


def test_series_of_different_lengths_are_cut_into_windows(write_module):
    body = answering("{'test': ([np.arange(7.)[:, None], 10 + np.arange(9.)[:, None]], [0, 1])}")
    source = write_module(body)
    data = load(
        Data.model_validate(
            {"source": source, "window": {"length": 4, "stride": 2}, "inputs": {"x": {"standardize": False}}}
        )
    )
    [batch] = data.batches("test", 8)
    assert batch.inputs["x"][:, 0, 0].tolist() == [0, 2, 10, 12, 14]
    assert batch.targets["y"].tolist() == [0, 0, 1, 1, 1]
    assert data.split("test").where(3) == "x_test[1][2:6]"


def test_images_as_targets_are_read_only_when_they_are_asked_for(write_module):
    body = (
        "class Images:\n"
        "    read = 0\n"
        "    def __len__(self): return 1000\n"
        "    def __getitem__(self, index):\n"
        "        Images.read += 1\n"
        "        return np.full((4, 4, 1), index % 200, np.uint8)\n" + answering("{'test': (Images(), Images())}")
    )
    data = load(Data(source=write_module(body)))
    assert data.target_kinds == {"y": "value"}
    batch = next(data.batches("test", 4))
    np.testing.assert_array_equal(batch.targets["y"], batch.inputs["x"])
    assert sys.modules[MODULE].Images.read < 500


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("{'train': ({}, [])}", "returned for 'train' no inputs"),
        ("{'train': ({'a': np.zeros(3), 'b': 3}, np.zeros(3))}", "a int as b; it needs a length"),
        ("{'train': (np.zeros(3), {'a': [[1, 2], [1.5], [2]]})}", r"target 'a' of x_train\[1\] has the shape \[1\]"),
        ("{'train': (np.zeros(3), np.arange(3)), 'test': np.zeros(3)}", "test split has no target 'y'"),
    ],
)
def test_named_answers_that_do_not_fit_are_refused(write_module, answer, message):
    with pytest.raises(InputError, match=message):
        load(Data(source=write_module(answering(answer))))
