"""The data's examples as golden vectors take them: as stored, and as the data prepares them."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.bundle.contract import Contract
from pipeline.bundle.golden_vectors import Given
from pipeline.data import Dataset
from pipeline.data.examples import CorruptExampleError
from pipeline.errors import InputError
from pipeline.tensors import bind

_FIRST = ("test", "calibration")
"""Splits, the first that there is."""


def stored_examples(data: Dataset, contract: Contract, count: int) -> Iterator[Given]:
    """The first of the test split, or the calibration split where there is none; broken ones as the recipe says.

    Args:
        data: Whose inputs are the model's, by name.
        contract: Of the model.
        count: How many, at most.

    Raises:
        InputError: none of them can be read.
    """
    split = next(name for name in (*_FIRST, *data.splits) if name in data.splits)
    examples = data.split(split)
    specs = [source.tensor for source in contract.inputs]
    given = 0
    for index in range(len(examples)):
        if given == count:
            return
        try:
            raw = examples[index]
            real = {name: data.preprocessors[name](stored) for name, stored in raw.items()}
        except CorruptExampleError:
            if data.on_corrupt == "fail":
                raise
            continue
        given += 1
        yield Given(f"{split}[{index}]", bind(raw, specs), bind(real, specs))
    if not given:
        raise InputError(f"None of the {len(examples)} examples of the {split} split can be read.")
