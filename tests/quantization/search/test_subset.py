"""The fewest: what is enough is found, nothing in it can be left out, and few sets are asked about."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.quantization.search.subset import fewest


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_of_needed_items_exactly_those_are_found(case: tuple[int, set[int]]) -> None:
    count, needed = case
    asked: list[tuple[int, ...]] = []

    def enough(items: tuple[int, ...]) -> bool:
        asked.append(items)
        return needed <= set(items)

    assert fewest(range(count), enough) == tuple(sorted(needed))
    assert len(asked) == len(set(asked))
    assert len(asked) <= 3 + 2 * math.ceil(math.log2(count + 1)) + max(needed, default=0) + 1


def test_the_least_important_are_left_out_first() -> None:
    assert fewest("abcdef", lambda items: len(items) >= 2) == ("a", "b")


def test_one_that_is_needed_makes_those_before_it_superfluous_the_last_of_them_first() -> None:
    """Any one of a, b and c beside d is enough: the most important stays."""
    assert fewest("abcd", lambda items: "d" in items and len(items) >= 2) == ("a", "d")


def test_where_all_are_not_enough_there_is_none() -> None:
    assert fewest("abc", lambda items: False) is None
    assert fewest("", lambda items: False) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_answers_are_the_set_was_found_enough(seed: int) -> None:
    """Accuracy on few examples goes up and down as operators are added."""
    approved: set[tuple[int, ...]] = set()

    def enough(items: tuple[int, ...]) -> bool:
        if hash((seed, items)) % 3 == 0 and items:
            approved.add(items)
        return items in approved

    found = fewest(range(12), enough)
    assert found is None or found in approved
