"""Where examples come from: each source is a function `(data, names)` that gives a :class:`Source`."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.data.labels import read_class_names
from pipeline.data.sources import (
    coco,
    csv,
    digit_scenes,
    embedded,
    folder,
    function,
    keras,
    masks,
    npz,
    synthetic,
    tfds,
    voc,
    yolo,
)
from pipeline.data.sources.source import SPLITS, KnownTarget, Source
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data

__all__ = ["EMBEDDED", "SPLITS", "KnownTarget", "Source", "is_flat_folder", "open_source"]

Read = Callable[[Data, tuple[str, ...] | None], Source]

EMBEDDED: dict[str, Read] = {
    "digits": embedded.digits,
    "digits_halves": embedded.digits_halves,
    "digit_scenes": digit_scenes.digit_scenes,
    "digit_scenes_masks": digit_scenes.digit_scenes_masks,
    "diabetes": embedded.diabetes,
    "wine": embedded.wine,
    "breast_cancer": embedded.breast_cancer,
    "photos": embedded.photos,
    "tones": synthetic.tones,
    "waves": synthetic.waves,
    "sentences": synthetic.sentences,
}
"""Those that need nothing but this program."""

SOURCES: dict[str, Read] = {
    **EMBEDDED,
    "folder": folder.read,
    "csv": csv.read,
    "npz": npz.read,
    "coco": coco.read,
    "voc": voc.read,
    "yolo": yolo.read,
    "masks": masks.read,
}
ANNOTATED = ("coco", "voc", "masks")
"""Those that `data.annotations` is for."""
SOURCES_WITH_NAME: dict[str, Read] = {"keras": keras.read, "tfds": tfds.read}


def is_flat_folder(data: Data) -> bool:
    """Whether the data are the files of one folder, without folders in it that say classes or splits."""
    path = data.path
    if data.source != "folder" or path is None or not path.is_dir():
        return False
    return not any(child.is_dir() and not child.name.startswith(".") for child in path.iterdir())


def open_source(data: Data, class_names: tuple[str, ...] | None = None) -> Source:
    """Find the examples that `data.source`, `data.path` and `data.labels` describe, reading few of them.

    Args:
        data: The recipe's section.
        class_names: What counts as `data.labels` where that is not given.

    Raises:
        InputError: an unknown source, something missing, or targets that make no sense.
        PipelineError: a download failed.
    """
    kind, colon, _ = data.source.partition(":")
    read = SOURCES_WITH_NAME.get(kind, function.read) if colon else SOURCES.get(kind)
    if read is None:
        known = [*SOURCES, *(f"{name}:NAME" for name in SOURCES_WITH_NAME), "module:function"]
        hint = did_you_mean(data.source, known) or f" Known: {', '.join(sorted(known))}."
        raise InputError(f"data.source: there is no source '{data.source}'.{hint}")
    if data.path is not None and (kind in EMBEDDED or kind == "keras" or read is function.read):
        raise InputError(
            f"data.path is '{data.path}', but data.source '{data.source}' reads no path. Set data.source to "
            "folder, csv or npz, or data.path to null."
        )
    if data.label_pattern is not None and read is not folder.read:
        raise InputError(f"data.label_pattern is for source 'folder'; '{data.source}' has labels of its own.")
    if data.annotations is not None and kind not in ANNOTATED:
        raise InputError(f"data.annotations is for the sources {', '.join(ANNOTATED)}; '{data.source}' finds its own.")
    return read(data, read_class_names(data.labels) if data.labels else class_names)
