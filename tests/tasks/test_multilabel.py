from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.multilabel import Multilabel
from tests.tasks.tensors_of import model, tensor


def of(classes: int, **options: Any) -> Multilabel:
    return Multilabel(output=tensor("y", classes), target="tags", **{"scores": "sigmoid", **options})


def judged(task: Multilabel, scores: Any, tags: Any) -> dict[str, float]:
    return task.reduce(task.statistics({"y": np.array(scores)}, {"tags": np.array(tags)}))


def test_by_hand() -> None:
    # Class 0: ranked right, wrong, right: (1/1 + 2/3) / 2. Class 1: no example. Class 2: the last of three, 1/3.
    scores = [[0.9, 0.1, 0.7], [0.8, 0.1, 0.6], [0.7, 0.9, 0.2]]
    tags = [[1, 0, 0], [0, 0, 0], [1, 0, 1]]
    found = judged(of(3), scores, tags)
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)
    assert found["f1"] == pytest.approx(2 * 2 / (6 + 3))  # 6 decisions for yes, 2 of the 3 that should be


def test_equal_scores_are_one_threshold() -> None:
    assert judged(of(1), [[0.5], [0.5], [0.5], [0.5]], [[1], [0], [0], [0]])["map"] == 0.25
    assert judged(of(1), [[0.5], [0.5], [0.5], [0.5]], [[0], [0], [0], [1]])["map"] == 0.25


def test_as_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    scores, tags = generator.integers(0, 9, (80, 4)) / 10, generator.integers(0, 2, (80, 4))
    found = judged(of(4), scores, tags)
    assert found["map"] == pytest.approx(average_precision_score(tags, scores, average="macro"))
    assert found["f1"] == pytest.approx(f1_score(tags, scores > 0.5, average="micro"))


def test_samples_are_measured_as_the_examples_in_them() -> None:
    generator = np.random.default_rng(1)
    scores, tags = generator.integers(0, 9, (30, 3)) / 10, generator.integers(0, 2, (30, 3))
    counts = np.bincount(generator.integers(0, 30, 30), minlength=30)
    for task in (of(3), of(3, metric="f1")):
        statistics = task.statistics({"y": scores}, {"tags": tags})
        found = task.reduce(np.repeat(statistics, counts, axis=0))
        assert task.resampling(statistics)(counts) == pytest.approx(found[task.metrics[0].name])


def test_the_threshold_of_logits_is_the_probabilitys() -> None:
    tags = np.array([[1], [0]])
    assert judged(of(1, threshold=0.9), [[0.91], [0.89]], tags)["f1"] == 1
    assert judged(of(1, threshold=0.9).before_activation(), [[2.2], [2.1]], tags)["f1"] == 1  # log 9 = 2.197
    assert judged(of(1, scores="logits"), [[0.1], [-0.1]], tags)["f1"] == 1


def test_nothing_said_and_nothing_there_is_unknown() -> None:
    found = judged(of(2), [[0.1, 0.1]], [[0, 0]])
    assert np.isnan(found["map"])
    assert np.isnan(found["f1"])


def test_agreement_is_the_share_of_equal_decisions() -> None:
    one, two = {"y": np.array([[0.9, 0.1, 0.6, 0.4]])}, {"y": np.array([[0.6, 0.6, 0.9, np.nan]])}
    np.testing.assert_array_equal(of(4).agreement(one, two), [0.5])


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ([[2, 0]], "from 0 to 2; multilabel takes 0 and 1"),
        ([[1]], "holds 1 classes, and the model gives 2"),
        ([], "1 examples"),
    ],
)
def test_targets_that_are_not_multi_hot(tags: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        judged(of(2), [[0.1, 0.2]], tags)


def test_a_softmax_and_other_shapes_do_not_fit() -> None:
    tags = {"tags": tensor("tags", 3, dtype="uint8")}
    of(3).check(model(tensor("y", 3)), tags)
    with pytest.raises(InputError, match="ends in a softmax"):
        of(3, scores="softmax").check(model(tensor("y", 3)), tags)
    with pytest.raises(InputError, match=r"'tags' is uint8 \[\?, 3\]"):
        of(4).check(model(tensor("y", 4)), tags)


def test_nan() -> None:
    with pytest.raises(PipelineError, match="NaN for 1 of 1"):
        judged(of(2), [[np.nan, 0]], [[0, 1]])


def test_training() -> None:
    assert of(2).losses == {"y": "binary_crossentropy"}
    found = of(2).training_targets({"tags": np.array([[True, False]])})["y"]
    assert (found.dtype, found.tolist()) == (np.float32, [[1, 0]])
