"""Examples for a model: found (sources), divided (splits), preprocessed, and handed out in batches.

>>> from pipeline.data import load
>>> from pipeline.recipe import Data
>>> dataset = load(Data(source="digits"))
>>> next(dataset.batches("test", 8)).inputs["x"].shape
(8, 8, 8, 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.data.examples import Column, CorruptExampleError, Examples
from pipeline.data.loader import Dataset, specs_of
from pipeline.data.preparation import prepare
from pipeline.data.preprocess import Preprocessor
from pipeline.data.sources import EMBEDDED, SPLITS, KnownTarget, Source, is_flat_folder, open_source
from pipeline.data.splits import split
from pipeline.recipe import Data, Target, TargetKind
from pipeline.tensors import TARGET, Batch

__all__ = [
    "EMBEDDED",
    "SPLITS",
    "Batch",
    "Column",
    "CorruptExampleError",
    "Dataset",
    "Examples",
    "KnownTarget",
    "Preprocessor",
    "Source",
    "is_flat_folder",
    "load",
    "open_source",
]


def load(
    data: Data,
    target_kind: TargetKind | None = None,
    *,
    trains: bool = True,
    whole: str | None = None,
    class_names: Sequence[str] = (),
) -> Dataset:
    """Open a recipe's data: find the examples, divide them, read one to know the shapes.

    Args:
        data: The recipe's section.
        target_kind: What the task takes, for a target whose kind neither the recipe nor the source says: `value` for a
            regression, so that whole numbers are no classes.
        trains: Whether a model is trained on the data. Where none is, all examples calibrate, up to `data.calibration`
            of them, and images need no labels: they may lie in one folder.
        whole: The split that all examples are of where the source does not divide them, instead of being divided.
        class_names: A model's, in its order. Classes that the source finds by these names are numbered so, unless
            `data.labels` says otherwise.

    Raises:
        InputError: something is missing or wrong with what `data` describes.
        PipelineError: a download failed.
    """
    if target_kind is not None:
        data = _with_kind(data, target_kind)
    if not trains and data.targets is None and data.label_pattern is None and is_flat_folder(data):
        data = data.model_copy(update={"targets": {}})
    source = open_source(data)
    if data.labels is None and source.class_names != tuple(class_names) and {*source.class_names} <= {*class_names}:
        source = open_source(data, tuple(class_names))
    if whole is not None and set(source.splits) == {"train"}:
        source = replace(source, splits={whole: source.splits["train"]})
    divided = split(source, data, trains=trains)
    splits = divided.examples
    skipped: dict[str, str] = {}
    may_skip = skipped if data.on_corrupt == "skip" else None
    preparation, inputs, targets, where = prepare(splits, source.targets, data, may_skip)
    return Dataset(
        splits,
        preparation,
        specs_of(inputs),
        specs_of(targets),
        source.targets,
        source.fingerprint,
        where,
        data.on_corrupt,
        skipped,
        source.notes,
        divided.calibrating,
    )


def _with_kind(data: Data, kind: TargetKind) -> Data:
    sections = data.targets if data.targets is not None else {TARGET: Target()}
    told = {
        name: section
        if section.kind is not None or section.copy_of is not None
        else section.model_copy(update={"kind": kind})
        for name, section in sections.items()
    }
    return data.model_copy(update={"targets": told})
