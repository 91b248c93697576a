from __future__ import annotations

import sys

import numpy as np
import pytest

from pipeline.data import load, open_source
from pipeline.errors import InputError
from pipeline.recipe import Data

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
    assert data.input_shape == (4, 4, 1)
    x = np.concatenate([batch.x for split in data.splits for batch in data.batches(split, 4)])
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
