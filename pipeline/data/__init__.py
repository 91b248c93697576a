"""Examples for a model: found (sources), divided (splits), preprocessed, and handed out in batches.

>>> from pipeline.data import load
>>> from pipeline.recipe import Data
from pipeline.tensors import Batch
>>> dataset = load(Data(source="digits"))
>>> next(dataset.batches("test", 8)).x.shape
(8, 8, 8, 1)
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.data.examples import CorruptExampleError, Examples
from pipeline.data.loader import Dataset, read_example
from pipeline.data.preprocess import Preprocessor
from pipeline.data.sources import SPLITS, Source, open_source
from pipeline.data.splits import split
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.tensors import Batch

__all__ = ["SPLITS", "Batch", "Dataset", "Examples", "Preprocessor", "Source", "load", "open_source"]


def load(data: Data) -> Dataset:
    """Open a recipe's data: find the examples, divide them, read one to know the input's shape.

    Raises:
        InputError: something is missing or wrong with what `data` describes.
        PipelineError: a download failed.
    """
    source = open_source(data)
    splits = split(source, data)
    preprocessor = Preprocessor(data.preprocess)
    skipped: dict[str, str] = {}
    shape, where = _input_shape(splits, preprocessor, skipped if data.on_corrupt == "skip" else None)
    return Dataset(splits, source.class_names, preprocessor, source.fingerprint, shape, where, data.on_corrupt, skipped)


def _input_shape(
    splits: Mapping[str, Examples], preprocessor: Preprocessor, skipped: dict[str, str] | None
) -> tuple[tuple[int, ...], str]:
    """The shape of the first example that can be read, and which one it is. Fills `skipped` if given."""
    for examples in splits.values():
        for index in range(len(examples)):
            try:
                return read_example(examples, index, preprocessor).shape, examples.where(index)
            except CorruptExampleError as error:
                if skipped is None:
                    raise
                skipped[error.where] = error.reason
    raise InputError("None of the examples can be read; data.on_corrupt=fail says why.")
