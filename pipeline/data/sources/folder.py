"""`folder`: images or recordings sorted into a folder a class, or with labels in their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.data import fingerprint
from pipeline.data.labels import order_classes
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.file_lists import COMPRESSED, IMAGES, RECORDINGS, columns_of_files
from pipeline.data.sources.source import SPLIT_OF, SPLITS, KnownTarget, Source, required_path
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data, Input

EXTENSIONS = (*IMAGES, *RECORDINGS)
STORED_INPUT, STORED_TARGET = "x", "y"


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The images or WAV files under `data.path`: either `train/<class>/`, `test/<class>/`, …, or `<class>/` alone.

    Splits are train, test, validation (or val) and calibration. Files may lie deeper in a class's folder; what begins
    with a dot is ignored. Classes are numbered by name (see :func:`~pipeline.data.labels.order_classes`). With
    `data.label_pattern` the files' names have the labels, wherever the files lie; without any targets (`targets: {}`)
    they may lie anywhere too.

    Raises:
        InputError: no such folder, an empty class, a class that the training examples lack, a name that the pattern
            does not fit, or images and recordings mixed.
    """
    root = required_path(data, "a folder of images or WAV files")
    if not root.is_dir():
        raise InputError(f"data.path: {root} is a file; source 'folder' needs a folder of images or WAV files.")
    if data.label_pattern is not None:
        files, labels, groups = _by_pattern(root, data.label_pattern)
        return _source(root, {"train": (files, labels)}, labels, data, names, groups)
    if data.targets is not None and all(target.copy_of is not None for target in data.targets.values()):
        unlabelled = _without_labels(root)
        return _source(
            root, {split: (files, [""] * len(files)) for split, files in unlabelled.items()}, [""], data, None, {}
        )
    found: dict[str, dict[str, list[str]]] = {}
    for split, folder in _split_folders(root).items():
        found[split] = {child.name: _files(root, child) for child in _folders(folder)}
    _check_classes(root, found)
    listing = {
        split: (
            [file for files in classes.values() for file in files],
            [name for name, files in classes.items() for _ in files],
        )
        for split, classes in found.items()
    }
    every = [name for classes in found.values() for name in classes]
    return _source(root, listing, list(found.get("train") or every), data, names, {})


def _source(
    root: Path,
    listing: dict[str, tuple[list[str], list[str]]],
    classes: list[str],
    data: Data,
    given: tuple[str, ...] | None,
    groups: dict[str, list[str]],
) -> Source:
    class_names, index_of = order_classes(classes, given)
    name, section = next(iter((data.inputs or {STORED_INPUT: Input()}).items()))
    channels = (section.preprocess or data.preprocess).channels
    columns = columns_of_files(
        name, root, {split: files for split, (files, _) in listing.items()}, data, channels=channels
    )
    indices = {split: [index_of[label] for label in labels] for split, (_, labels) in listing.items()}
    found = {
        split: Found({STORED_INPUT: column}, {STORED_TARGET: indices[split]}, groups)
        for split, column in columns.items()
    }
    digest = fingerprint.of_files(
        root, {split: ([[file] for file in files], indices[split]) for split, (files, _) in listing.items()}
    )
    known = {STORED_TARGET: KnownTarget("class", class_names)}
    return assemble(found, data, None, known, digest)


def _without_labels(root: Path) -> dict[str, list[str]]:
    """Split → files; where there are folders of splits, theirs."""
    children = _folders(root)
    splits = {SPLIT_OF[child.name.lower()]: child for child in children if child.name.lower() in SPLIT_OF}
    folders = splits if splits and len(splits) == len(children) else {"train": root}
    found = {
        split: [os.path.relpath(file, root) for file in sorted(_walk(folder))] for split, folder in folders.items()
    }
    if not any(found.values()):
        raise InputError(f"data.path: there are no images or WAV files in {root} ({', '.join(EXTENSIONS)}).")
    return found


def _by_pattern(root: Path, pattern: str) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Files, labels, and the values of all named groups."""
    files = [os.path.relpath(file, root) for file in sorted(_walk(root))]
    if not files:
        raise InputError(f"data.path: there are no images or WAV files in {root} ({', '.join(EXTENSIONS)}).")
    expression = re.compile(pattern)
    groups: dict[str, list[str]] = {name: [] for name in expression.groupindex}
    for file in files:
        match = expression.fullmatch(Path(file).stem)
        if match is None:
            raise InputError(
                f"data.label_pattern: '{Path(file).stem}' of {root / file} does not fit {pattern}. It must fit the "
                "whole name without its extension."
            )
        for name, values in groups.items():
            values.append(match[name] or "")
    return files, groups["label"], groups


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
                "train/ and test/ with a folder a class in each, or data.label_pattern for labels in the files' names."
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


def _files(root: Path, folder: Path) -> list[str]:
    names = sorted(_walk(folder))
    if not names:
        raise InputError(
            f"The class folder {folder} has no images or WAV files ({', '.join(EXTENSIONS)}). Put some there "
            "or remove it."
        )
    return [os.path.relpath(name, root) for name in names]


def _walk(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith((*EXTENSIONS, *COMPRESSED)) and not name.startswith("."):
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
