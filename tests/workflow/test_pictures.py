"""Pictures of what models answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess
from pipeline.tasks.classification import Classification
from pipeline.tasks.regression import Regression
from pipeline.tensors import Outputs, Signature, Tensors, TensorSpec
from pipeline.workflow import pictures

SPEC = TensorSpec("y", (-1, 10), np.dtype(np.float32))


class Answers:
    """A model that says what it is told, of the digits in order."""

    signature = Signature((), (SPEC,))

    def __init__(self, classes: np.ndarray[Any, Any], sure: float = 1.0) -> None:
        self.scores = np.eye(10)[classes] * sure
        self.place = 0

    def __call__(self, inputs: Tensors) -> Outputs:
        count = len(inputs["x"])
        self.place += count
        return Outputs.of_real({"y": self.scores[self.place - count : self.place]})


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load(Data(source="digits", limit=40, preprocess=Preprocess(scale="0..1")))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the plots are given, instead of their files."""
    given: dict[str, Any] = {}
    for module, key in (("example_pictures", "worst"), ("confusion_plot", "confusion")):
        monkeypatch.setattr(f"pipeline.report.{module}.draw", lambda what, *_, key=key: given.update({key: what}))
    return given


def saved(digits: Dataset, models: dict[str, Answers], folder: Path, shown: int = 3) -> tuple[Path, ...]:
    task = Classification(output=SPEC, target="y", scores="softmax")
    return pictures.save(models, digits, "test", task, folder, shown=shown)


def test_the_example_that_is_lost_comes_first(digits: Dataset, drawn: dict[str, Any], tmp_path: Path) -> None:
    """Before one where both are wrong, each in its own way, and one where int8 is only less sure."""
    labels = digits.labels("test")
    sound, quantized = labels.copy(), labels.copy()
    sound[4], quantized[4] = (labels[4] + 1) % 10, (labels[4] + 2) % 10
    quantized[9] = (labels[9] + 1) % 10
    unsure = Answers(quantized)
    unsure.scores[7] *= 0.6
    saved(digits, {"float": Answers(sound), "int8": unsure}, tmp_path)
    assert [example.caption.split(":")[0] for example in drawn["worst"]] == ["example 9", "example 4", "example 7"]
    assert drawn["worst"][0].caption == "example 9: agreement 0 %"
    said = {name: answer.index for name, answer in drawn["worst"][0].answers.items()}
    assert said == {"label": labels[9], "float": labels[9], "int8": (labels[9] + 1) % 10}
    assert drawn["worst"][2].answers["int8"].probability == pytest.approx(0.6)


def test_the_image_is_the_examples(digits: Dataset, drawn: dict[str, Any], tmp_path: Path) -> None:
    labels = digits.labels("test")
    wrong = labels.copy()
    wrong[5] = (labels[5] + 1) % 10
    saved(digits, {"float": Answers(labels), "int8": Answers(wrong)}, tmp_path, shown=1)
    assert np.array_equal(drawn["worst"][0].image, digits.split("test")[5]["x"])


def test_a_classifiers_confusions_are_counted(digits: Dataset, drawn: dict[str, Any], tmp_path: Path) -> None:
    labels = digits.labels("test")
    nines = np.full(len(labels), 9)
    written = saved(digits, {"float": Answers(labels), "int8": Answers(nines)}, tmp_path)
    counts = np.bincount(labels, minlength=10)
    assert np.array_equal(drawn["confusion"]["float"], np.diag(counts))
    assert np.array_equal(drawn["confusion"]["int8"][:, 9], counts)
    assert [path.name for path in written] == ["worst.png", "confusion.png"]


def test_files_are_written(digits: Dataset, tmp_path: Path) -> None:
    labels = digits.labels("test")
    written = saved(digits, {"int8": Answers(labels)}, tmp_path / "new")
    assert all(path.stat().st_size > 1000 for path in written)


def test_a_file_in_the_folders_place_is_refused(digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="is a file: pictures need a folder"):
        saved(digits, {"int8": Answers(digits.labels("test"))}, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_what_cannot_be_drawn_is_refused(digits: Dataset, tmp_path: Path) -> None:
    task = Regression(output=SPEC, target="y")
    with pytest.raises(InputError, match="'regression' has nothing to draw"):
        pictures.save({"int8": Answers(digits.labels("test"))}, digits, "test", task, tmp_path)
    with pytest.raises(InputError, match="Pictures are drawn of one input of images"):
        pictures.save({}, load(Data(source="wine")), "test", task, tmp_path)
    assert not list(tmp_path.iterdir())
