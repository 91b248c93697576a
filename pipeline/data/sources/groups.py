"""`data.split_by`: splits of whole groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.data.examples import Examples
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import SplitBy


def split_by_group(
    splits: Mapping[str, Examples], groups: Mapping[str, Mapping[str, Sequence[str]]], how: SplitBy
) -> dict[str, Examples]:
    """The splits that the recipe names values for, taken out of the training examples, which then know their groups.

    Args:
        splits: The source's.
        groups: Split → group → its value for each example.
        how: The recipe's section.

    Raises:
        InputError: no such group or value, or the source has test or validation examples already.
    """
    other = next((name for name in ("test", "validation") if name in splits), None)
    if other is not None or "train" not in splits:
        raise InputError(
            f"data.split_by divides training examples, and the data has the split '{other or next(iter(splits))}' of "
            "its own. Remove data.split_by, or the data's splits."
        )
    known = groups["train"]
    if how.group not in known:
        named = "nothing that examples could be grouped by: it takes data.label_pattern or a CSV"
        raise InputError(
            f"data.split_by.group: there is no '{how.group}'; the data has {', '.join(sorted(known)) or named}."
            f"{did_you_mean(how.group, known) if known else ''}"
        )
    values = np.array(known[how.group])
    train = splits["train"]
    left = np.ones(len(train), bool)
    taken: dict[str, Examples] = {}
    for name in ("test", "validation"):
        wanted = [str(value) for value in getattr(how, name) or ()]
        unknown = next((value for value in wanted if value not in values), None)
        if unknown is not None:
            raise InputError(
                f"data.split_by.{name}: no example's {how.group} is '{unknown}'."
                f"{did_you_mean(unknown, {*values.tolist()})}"
            )
        if wanted:
            held = np.isin(values, wanted)
            taken[name] = train.subset(np.flatnonzero(held))
            left &= ~held
    if not left.any():
        raise InputError(f"data.split_by takes every {how.group} for test and validation; leave some to train on.")
    numbers = np.unique(values[left], return_inverse=True)[1].astype(np.int64)
    rest = train.subset(np.flatnonzero(left))
    return {**splits, "train": replace(rest, groups=numbers), **taken}
