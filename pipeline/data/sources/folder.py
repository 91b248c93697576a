"""`folder`: images sorted into a folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.labels import order_classes
from pipeline.data.sources.image_files import source_of_files
from pipeline.data.sources.source import SPLIT_OF, SPLITS, Source, required_path
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif")


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The images under `data.path`: either `train/<class>/`, `test/<class>/` and so on, or `<class>/` alone.

    Splits are train, test, validation (or val) and calibration. Images may lie deeper in a class's folder;
    what begins with a dot is ignored. Classes are numbered by name (see
    :func:`~pipeline.data.labels.order_classes`).

    Raises:
        InputError: no such folder, an empty class, or a class that the training images lack.
    """
    root = required_path(data, "a folder of images")
    if not root.is_dir():
        raise InputError(f"data.path: {root} is a file; source 'folder' needs a folder of images.")
    found: dict[str, dict[str, list[str]]] = {}
    for split, folder in _split_folders(root).items():
        found[split] = {child.name: _images(root, child) for child in _folders(folder)}
    _check_classes(root, found)
    every = (name for classes in found.values() for name in classes)
    class_names, index_of = order_classes(found.get("train") or every, names)
    listing = {
        split: (
            [file for files in classes.values() for file in files],
            [index_of[name] for name, files in classes.items() for _ in files],
        )
        for split, classes in found.items()
    }
    return source_of_files(root, listing, class_names, data)


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _split_folders(root: Path) -> dict[str, Path]:
    """Split → its folder. A folder called `train` without folders in it is a class of that name."""
    children = _folders(root)
    splits = [child for child in children if child.name.lower() in SPLIT_OF and _folders(child)]
    if not splits:
        if not children:
            raise InputError(
                f"data.path: there are no folders in {root}. Source 'folder' needs a folder a class, or "
                "train/ and test/ with a folder a class in each."
            )
        return {"train": root}
    others = [child.name for child in children if child not in splits]
    if others:
        raise InputError(
            f"data.path: {root} has the split folder '{splits[0].name}' and, beside it, '{others[0]}', which "
            f"is no split with a folder a class.{did_you_mean(others[0], SPLITS)} Rename or move one of them."
        )
    by_split: dict[str, Path] = {}
    for child in splits:
        split = SPLIT_OF[child.name.lower()]
        if split in by_split:
            raise InputError(f"data.path: {by_split[split]} and {child} are both the {split} split; keep one.")
        by_split[split] = child
    return by_split


def _images(root: Path, folder: Path) -> list[str]:
    names = sorted(_walk(folder))
    if not names:
        raise InputError(
            f"The class folder {folder} has no images ({', '.join(EXTENSIONS)}). Put some there or remove it."
        )
    return [os.path.relpath(name, root) for name in names]


def _walk(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield os.path.join(parent, name)  # noqa: PTH118 - a Path for each of a million files is slow


def _check_classes(root: Path, found: dict[str, dict[str, list[str]]]) -> None:
    train = found.get("train")
    if train is None:
        return
    for split, classes in found.items():
        for name in classes:
            if name not in train:
                raise InputError(
                    f"The {split} split in {root} has the class '{name}', which train/ does not have."
                    f"{did_you_mean(name, train)} A model cannot know a class it was not shown."
                )
