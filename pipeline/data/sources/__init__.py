"""Where examples come from: one module a source, each with `read(data, names)`."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.data.labels import read_class_names
from pipeline.data.sources import csv, digits, folder, function, keras, npz, tfds
from pipeline.data.sources.source import SPLITS, Source
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data

__all__ = ["SPLITS", "Source", "open_source"]

Read = Callable[[Data, tuple[str, ...] | None], Source]

SOURCES: dict[str, Read] = {"digits": digits.read, "folder": folder.read, "csv": csv.read, "npz": npz.read}
SOURCES_WITH_NAME: dict[str, Read] = {"keras": keras.read, "tfds": tfds.read}
WITHOUT_PATH = ("digits", "keras")


def open_source(data: Data) -> Source:
    """Find the examples that `data.source`, `data.path` and `data.labels` describe, reading few of them.

    Raises:
        InputError: an unknown source, something missing, or labels that make no sense.
        PipelineError: a download failed.
    """
    kind, colon, _ = data.source.partition(":")
    read = SOURCES_WITH_NAME.get(kind, function.read) if colon else SOURCES.get(kind)
    if read is None:
        known = [*SOURCES, *(f"{name}:NAME" for name in SOURCES_WITH_NAME), "module:function"]
        raise InputError(f"data.source: there is no source '{data.source}'.{did_you_mean(data.source, known)}")
    if data.path is not None and (kind in WITHOUT_PATH or read is function.read):
        raise InputError(
            f"data.path is '{data.path}', but data.source '{data.source}' reads no path. Set data.source to "
            "folder, csv or npz, or data.path to null."
        )
    return read(data, read_class_names(data.labels) if data.labels else None)
