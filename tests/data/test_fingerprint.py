"""A data set's fingerprint: any change of an example or a label gives another, nothing else does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.columns import ArrayColumn, SequenceColumn, WindowColumn
from pipeline.data.examples import Column, Examples
from pipeline.data.file_columns import WaveformColumn
from pipeline.data.fingerprint import of_examples, of_files

COUNT = 300


def numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)


def of(column: Column, targets: np.ndarray | None = None) -> str:
    labels = np.zeros(COUNT, np.int64) if targets is None else targets
    return of_examples({"train": Examples({"x": column}, {"y": ArrayColumn(labels, "y")})})


@pytest.mark.parametrize("index", [0, 1, 57, 150, COUNT - 2])
@pytest.mark.parametrize(
    "column",
    [
        lambda x: ArrayColumn(x, "x"),
        lambda x: SequenceColumn(list(x), "x"),
        lambda x: WaveformColumn(x, "x", 8000, 8000),
        lambda x: WindowColumn([x], np.array([[0, start] for start in range(COUNT - 8)]), 8, "x"),
    ],
    ids=["array", "list", "waveforms", "windows"],
)
def test_one_changed_number_of_one_example_is_noticed(column: Any, index: int) -> None:
    changed = numbers()
    changed[index, 2] += 1
    assert of(column(numbers())) == of(column(numbers()))
    assert of(column(changed)) != of(column(numbers()))


def test_one_changed_label_is_noticed() -> None:
    labels = np.zeros(COUNT, np.int64)
    labels[123] = 1
    assert of(ArrayColumn(numbers(), "x"), labels) != of(ArrayColumn(numbers(), "x"))


def test_other_examples_of_the_same_array_are_another_data_set() -> None:
    examples = Examples({"x": ArrayColumn(numbers(), "x")})
    some = [of_examples({"train": examples.subset(np.arange(start, start + 50))}) for start in (0, 0, 1)]
    assert some[0] == some[1] != some[2]


def test_the_blocks_that_an_array_is_read_in_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.data import fingerprint

    whole = of(ArrayColumn(numbers(), "x"))
    monkeypatch.setattr(fingerprint, "_BLOCK", 100)
    assert of(ArrayColumn(numbers(), "x")) == whole


def test_shape_and_type_count() -> None:
    x = numbers()
    assert len({of(ArrayColumn(array, "x")) for array in (x, x.view(np.int32), x.reshape(COUNT, 2, 2))}) == 3


class Slow(Sequence[np.ndarray]):
    """Someone else's sequence, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, index: Any) -> Any:
        self.asked += 1
        return np.full(3, index, np.float32)


def test_someone_elses_sequence_is_asked_for_a_few_entries() -> None:
    sequence = Slow()
    of(SequenceColumn(sequence, "x"))
    assert 0 < sequence.asked <= 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    for name in "abc":
        path = tmp_path / "data" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode() * 100)
    return tmp_path / "data"


def files(root: Path, names: str = "abc", labels: tuple[int, ...] = (0, 1, 1)) -> str:
    return of_files(root, {"train": ([[name] for name in names], labels)})


def test_a_files_content_and_label_count_and_its_place_does_not(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    assert files(Path(shutil.copytree(folder, tmp_path / "copy"))) == before
    assert files(folder, labels=(0, 1, 0)) != before
    (folder / "b").write_bytes(b"c" * 100)
    assert files(folder) != before
