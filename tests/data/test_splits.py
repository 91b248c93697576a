from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.data import load
from pipeline.data.columns import ArrayColumn
from pipeline.data.examples import Examples
from pipeline.data.sources.source import Source
from pipeline.data.splits import split, stratified
from pipeline.errors import InputError
from pipeline.recipe import Data


def source(**counts: int) -> Source:
    """A source whose examples are all different numbers, in two classes, a quarter in the second."""
    number = itertools.count()
    splits = {}
    for name, count in counts.items():
        x = np.array([next(number) for _ in range(count)], np.float32)
        splits[name] = Examples({"x": ArrayColumn(x, name)}, classes=(np.arange(count) % 4 == 0).astype(np.int64))
    return Source(splits)


def divided(source: Source, data: Data) -> dict[str, Examples]:
    return split(source, data).examples


def content(examples: Examples) -> list[float]:
    return [float(examples[i]["x"]) for i in range(len(examples))]


def sizes(splits: dict[str, Examples]) -> dict[str, int]:
    return {name: len(examples) for name, examples in splits.items()}


def test_all_splits_are_taken_out_of_training_examples_where_the_source_has_no_others():
    splits = divided(source(train=1000), Data(test=0.2, validation=0.1, calibration=100))
    assert sizes(splits) == {"train": 620, "calibration": 100, "validation": 80, "test": 200}


@pytest.mark.parametrize("counts", [{"train": 100}, {"train": 100, "test": 30}, {"train": 7, "validation": 3}])
def test_splits_never_overlap_and_lose_nothing(counts):
    splits = divided(source(**counts), Data())
    everything = list(itertools.chain.from_iterable(content(examples) for examples in splits.values()))
    assert sorted(everything) == list(range(sum(counts.values())))


def test_splits_of_the_source_are_used_as_they_are():
    original = source(train=100, calibration=10, validation=10, test=10)
    splits = divided(original, Data())
    assert {name: content(examples) for name, examples in splits.items()} == {
        name: content(examples) for name, examples in original.splits.items()
    }


@pytest.mark.parametrize("counts", [{"calibration": 5, "test": 9}, {"test": 9}])
def test_without_training_examples_the_other_splits_are_absent(counts):
    assert sizes(divided(source(**counts), Data())) == counts


def test_calibration_takes_at_most_a_fifth_and_at_least_one():
    assert len(divided(source(train=100, test=1, validation=1), Data(calibration=500))["calibration"]) == 20
    assert len(divided(source(train=3, test=1, validation=1), Data())["calibration"]) == 1


def test_a_single_training_example_stays_one():
    assert sizes(divided(source(train=1), Data())) == {"train": 1}


def test_a_share_of_nothing_makes_no_split():
    assert set(divided(source(train=100), Data(test=0, validation=0))) == {"train", "calibration"}


def test_the_seed_decides():
    first, again, other = (divided(source(train=100), Data(seed=seed)) for seed in (1, 1, 2))
    assert content(first["test"]) == content(again["test"])
    assert content(first["test"]) != content(other["test"])


def test_another_number_of_calibration_examples_leaves_test_and_validation_alone():
    few, many = (divided(source(train=100), Data(calibration=count)) for count in (2, 10))
    assert content(few["test"]) == content(many["test"])
    assert content(few["validation"]) == content(many["validation"])


def test_every_split_has_its_share_of_each_class():
    splits = divided(source(train=400), Data(calibration=40))
    for examples in splits.values():
        assert abs(np.mean(examples.labels) - 0.25) < 0.03


def test_a_limit_holds_for_each_split():
    splits = divided(source(train=400, test=50), Data(limit=20))
    assert sizes(splits) == {"train": 20, "calibration": 20, "validation": 20, "test": 20}
    assert splits["test"].labels.sum() == 5


def test_stratified_counts_are_proportional_within_one():
    labels = np.repeat([0, 1, 2], [600, 300, 7])
    chosen = stratified(labels, 100, np.random.default_rng(0))
    assert len(set(chosen.tolist())) == 100
    assert np.abs(np.bincount(labels[chosen]) - 100 * np.bincount(labels) / 907).max() <= 1


def test_asking_for_a_split_that_is_absent_says_what_to_do(tmp_path):
    np.savez(tmp_path / "a.npz", x_test=np.zeros((4, 2)), y_test=[0, 1, 0, 1])
    dataset = load(Data(source="npz", path=tmp_path / "a.npz"))
    with pytest.raises(InputError, match=r"no calibration split, only test \(4\)\. Add a calibration split"):
        dataset.split("calibration")


def test_without_classes_examples_are_drawn_at_random():
    examples = Examples({"x": ArrayColumn(np.arange(100.0), "x")})
    splits = divided(Source({"train": examples}), Data())
    everything = list(itertools.chain.from_iterable(content(part) for part in splits.values()))
    assert sorted(everything) == list(range(100))
    assert sizes(splits) == {"train": 58, "calibration": 14, "validation": 8, "test": 20}
    other = divided(Source({"train": examples}), Data(seed=1))
    assert content(splits["test"]) != content(other["test"])


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_never_divided_between_test_validation_and_the_rest(seed):
    groups = np.repeat(np.arange(10), [1, 2, 3, 4, 5, 15, 15, 15, 20, 20])
    examples = Examples({"x": ArrayColumn(groups.astype(np.float32), "x")}, groups=groups)
    splits = divided(Source({"train": examples}), Data(seed=seed))
    owners = {name: set(content(part)) for name, part in splits.items()}
    rest = owners["train"] | owners["calibration"]
    assert not owners["test"] & owners["validation"]
    assert not (owners["test"] | owners["validation"]) & rest
    assert sum(sizes(splits).values()) == 100


def test_one_group_cannot_be_divided():
    examples = Examples({"x": ArrayColumn(np.arange(50.0), "x")}, groups=np.zeros(50, np.int64))
    assert set(divided(Source({"train": examples}), Data())) == {"train", "calibration"}


@pytest.mark.parametrize("count", [1, 2, 17, 128, 200])
def test_where_nothing_is_trained_all_examples_calibrate(count: int) -> None:
    found = split(source(train=count), Data(), trains=False)
    assert sorted(content(found.examples["calibration"])) == list(range(count))
    held_out = divided(source(train=count), Data())
    assert content(found.examples.get("test", found.examples["train"])) == content(
        held_out.get("test", held_out["train"])
    )
    assert found.calibrating == frozenset({"test", "validation"} & set(held_out))


def test_as_many_as_are_asked_for_and_first_those_that_no_other_split_needs() -> None:
    found = split(source(train=1000), Data(calibration=150), trains=False)
    assert len(set(content(found.examples["calibration"]))) == 150
    assert not found.calibrating
    held_out = {*content(found.examples["test"]), *content(found.examples["validation"])}
    assert not held_out & set(content(found.examples["calibration"]))


def test_the_seed_draws_the_same_examples_to_calibrate() -> None:
    one, again, other = (
        split(source(train=1000), Data(seed=seed), trains=False).examples["calibration"] for seed in (1, 1, 2)
    )
    assert content(one) == content(again)
    assert content(one) != content(other)


def test_a_test_split_of_the_source_does_not_calibrate_beside_training_examples() -> None:
    found = split(source(train=50, test=40), Data(), trains=False)
    assert len(found.examples["calibration"]) == 50
    assert found.calibrating == {"validation"}


def test_a_source_of_test_examples_alone_calibrates_with_them() -> None:
    found = split(source(test=300), Data(), trains=False)
    assert (len(found.examples["calibration"]), len(found.examples["test"])) == (200, 300)
    assert found.calibrating == {"test"}


def test_a_share_that_is_said_and_a_split_of_the_source_are_kept() -> None:
    said = split(source(train=100, test=1, validation=1), Data(calibration_share=0.1), trains=False)
    assert len(said.examples["calibration"]) == 10
    given = split(source(train=100, calibration=7), Data(), trains=False)
    assert (len(given.examples["calibration"]), given.calibrating) == (7, frozenset())
