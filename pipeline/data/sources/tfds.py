"""`tfds:NAME`: an image classification data set of tensorflow-datasets, read without TensorFlow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.cache import cache_folder, filled
from pipeline.data.examples import ColumnKind, CorruptExampleError
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.fetch import run_module
from pipeline.data.sources.source import SPLIT_OF, KnownTarget, Source
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data
from pipeline.tensors import INPUT, TARGET


class TfdsColumn:
    """The images of a `tfds.data_source`, whose random access is safe from several threads.

    Args:
        records: Dictionaries with the image.
        key: The image's.
        name: What the split is called in messages.
    """

    kind: ColumnKind = "image"
    names: tuple[str, ...] = ()
    arrays: None = None

    def __init__(self, records: Sequence[dict[str, Any]], key: str, name: str) -> None:
        self._records = records
        self._key = key
        self._name = name

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> NDArray[Any]:
        try:
            return np.asarray(self._records[index][self._key])
        except Exception as error:
            raise CorruptExampleError(self.where(index), f"{type(error).__name__}: {error}") from error

    def where(self, index: int) -> str:
        return f"{self._name}[{index}]"


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The data set's train, validation and test splits, prepared the first time.

    `data.path` is tfds's own data folder; by default it is `$TFDS_DATA_DIR` or ~/tensorflow_datasets.

    Raises:
        InputError: tensorflow-datasets is missing or has no such data set, or it is none of labelled images.
        PipelineError: it could not be downloaded.
    """
    name = data.source.partition(":")[2]
    folder = str(data.path) if data.path else None
    builder = _builder(name, folder)
    if not builder.is_prepared():
        run_module(
            "pipeline.data.sources.fetch_tfds",
            *filter(None, (name, folder)),
            what=f"tfds:{name}",
            instead="Without a network, prepare it elsewhere and give tfds's folder: `--set data.path=…`.",
        )
        builder = _builder(name, folder)
    image, label = _keys(builder.info, name)
    found: dict[str, Found] = {}
    for tfds_split in builder.info.splits:
        if tfds_split not in SPLIT_OF:  # unlabelled and extra examples
            continue
        column = TfdsColumn(builder.as_data_source(tfds_split), image, f"{name}/{tfds_split}")
        found[SPLIT_OF[tfds_split]] = Found({INPUT: column}, {TARGET: _labels(builder, tfds_split, image, label)})
    if not found:
        raise InputError(f"data.source: tfds:{name} has none of the splits {', '.join(SPLIT_OF)}.")
    native = tuple(getattr(builder.info.features[label], "names", None) or ())
    return assemble(found, data, names, {TARGET: KnownTarget("class", native)})


def _builder(name: str, folder: str | None) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"data.source 'tfds:{name}' needs tensorflow-datasets: `pip install 'keras-int8-pipeline[tfds]'`."
        ) from error
    try:
        return tfds.builder(name, data_dir=folder, file_format="array_record")
    except Exception as error:  # for an unknown name it tries the network, which fails in its own ways
        hint = did_you_mean(name, tfds.list_builders(with_community_datasets=False))
        raise InputError(
            f"data.source: 'tfds:{name}' is neither a data set of tensorflow-datasets nor prepared in "
            f"{folder or 'its folder'}.{hint}"
        ) from error


def _keys(info: Any, name: str) -> tuple[str, str]:
    keys = info.supervised_keys or ("image", "label")
    if len(keys) != 2 or any(key not in info.features for key in keys):
        raise InputError(
            f"data.source: tfds:{name} is not a data set of labelled images; it has the features "
            f"{', '.join(info.features)}."
        )
    return keys[0], keys[1]


def _labels(builder: Any, split: str, image: str, label: str) -> NDArray[Any]:
    """The split's labels, which lie among the images and are therefore read once and kept."""
    data = Path(builder.data_path)
    place = f"{data}\t{data.stat().st_mtime_ns}\t{split}"
    folder = cache_folder() / "tfds" / hashlib.sha256(place.encode()).hexdigest()[:16]
    file = folder / "labels.npy"
    if not file.is_file():
        import tensorflow_datasets as tfds

        records = builder.as_data_source(split, decoders={image: tfds.decode.SkipDecoding()})
        with filled(folder) as temporary:
            np.save(temporary / file.name, np.array([record[label] for record in records]))
    return np.load(file)  # type: ignore[no-any-return]
