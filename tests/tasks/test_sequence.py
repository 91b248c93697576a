from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.sequence import LabelSequence, edit_distance, greedy_decode
from tests.tasks.tensors_of import model, tensor

BLANK = 3


def of(steps: int, **options: Any) -> LabelSequence:
    return LabelSequence(output=tensor("y", steps, 4), target="text", **options)


def scores(*rows: list[int]) -> dict[str, np.ndarray]:
    """One-hot scores of these classes."""
    return {"y": np.eye(4, dtype=np.float32)[np.array(rows)]}


def judged(task: LabelSequence, said: dict[str, np.ndarray], labels: Any) -> dict[str, float]:
    return task.reduce(task.statistics(said, {"text": np.array(labels)}))


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("ab", "ba", 2),
    ],
)
def test_edit_distance(first: str, second: str, edits: int) -> None:
    one, two = (np.array(list(text), dtype="U1") for text in (first, second))
    assert edit_distance(one, two) == edit_distance(two, one) == edits


def test_greedy_decoding_leaves_out_repeats_and_blanks() -> None:
    said = scores([0, 0, 3, 0, 1, 3], [3, 3, 3, 3, 3, 3], [2, 1, 1, 1, 2, 2])["y"]
    assert [row.tolist() for row in greedy_decode(said, BLANK)] == [[0, 0, 1], [], [2, 1, 2]]


def test_ctc_error_rate_by_hand() -> None:
    task = of(4, decode="ctc")
    found = judged(task, scores([0, 3, 1, 1], [2, 2, 3, 3]), [[0, 1, -1], [2, 2, 0]])
    assert found == {"label_error_rate": 2 / 5, "exact": 1 / 2}


def test_another_blank() -> None:
    task = of(3, decode="ctc", blank=0)
    assert judged(task, scores([0, 3, 3]), [[3]])["label_error_rate"] == 0


def test_steps_by_hand() -> None:
    found = judged(of(3), scores([0, 1, 2], [3, 3, 3]), [[0, 1, 1], [3, 3, -1]])
    assert found == {"label_error_rate": 1 / 5, "exact": 1 / 2}


def test_another_padding() -> None:
    assert judged(of(3, padding=9), scores([0, 1, 2]), [[0, 1, 9]])["label_error_rate"] == 0


def test_fewer_errors_are_better_and_exact_is_a_share_of_hits() -> None:
    assert not of(3).metrics[0].higher_is_better
    statistics = of(3).statistics(scores([0, 1, 2], [0, 1, 2]), {"text": np.array([[0, 1, 2], [0, 0, 0]])})
    assert of(3).hits(statistics) is None
    np.testing.assert_array_equal(of(3, metric="exact").hits(statistics), [True, False])


def test_agreement() -> None:
    one, two = scores([0, 1, 2, 3], [3, 3, 3, 3]), scores([0, 1, 1, 3], [3, 3, 3, 3])
    np.testing.assert_allclose(of(4).agreement(one, two), [3 / 4, 1])
    np.testing.assert_allclose(of(4, decode="ctc").agreement(one, two), [2 / 3, 1])
    broken = {"y": np.full((2, 4, 4), np.nan)}
    np.testing.assert_array_equal(of(4).agreement(one, broken), 0)
    np.testing.assert_array_equal(of(4, decode="ctc").agreement(one, broken), 0)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([[0, 1, 4]], "knows the labels 0 to 3; .* holds 0 to 4"),
        ([[0.0, 1, 2]], "padded class numbers"),
        ([[0, 1]], "has 3 steps, and a batch holds labels for 2"),
        ([[0, 1, 2]] * 2, "1 examples and 2"),
    ],
)
def test_labels_that_do_not_fit(labels: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        judged(of(3), scores([0, 1, 2]), labels)


def test_ctcs_blank_is_no_label() -> None:
    with pytest.raises(InputError, match="but 3, which is CTC's blank"):
        judged(of(3, decode="ctc"), scores([0, 1, 2]), [[3]])


def test_nan() -> None:
    with pytest.raises(PipelineError, match="NaN"):
        judged(of(3), {"y": np.full((1, 3, 4), np.nan)}, [[0, 1, 2]])


def test_training() -> None:
    assert of(2).losses == {"y": "categorical_crossentropy"}
    found = of(2).training_targets({"text": np.array([[2, -1]])})["y"]
    assert found.tolist() == [[[0, 0, 1, 0], [0, 0, 0, 0]]]
    ctc = of(2, decode="ctc", padding=9)
    assert ctc.losses == {"y": "ctc"}
    assert ctc.training_targets({"text": np.array([[2, 9]])})["y"].tolist() == [[2, -1]]


def test_check() -> None:
    labels = {"text": tensor("text", 5, dtype="int32")}
    of(5).check(model(tensor("y", 5, 4)), labels)
    of(9, decode="ctc").check(model(tensor("y", 9, 4)), labels)
    with pytest.raises(InputError, match="9 steps, and the target 'text' 5 labels"):
        of(9).check(model(tensor("y", 9, 4)), labels)
    with pytest.raises(InputError, match=r"\[batch, steps, classes\]"):
        of(9).check(model(tensor("y", 9)), labels)
    with pytest.raises(InputError, match=r"float32 \[\?, 5\]"):
        of(5).check(model(tensor("y", 5, 4)), {"text": tensor("text", 5)})
