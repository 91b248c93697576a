"""`folder`: images or recordings sorted into a folder a class, or with labels in their names."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from pipeline.data import fingerprint
from pipeline.data.labels import order_classes
from pipeline.data.sources.assemble import Found, assemble
from pipeline.data.sources.file_lists import NotTaken, columns_of_files, examples_in, is_of_the_system
from pipeline.data.sources.source import SPLIT_OF, SPLITS, KnownTarget, Source, required_path
from pipeline.errors import InputError, did_you_mean, readable
from pipeline.recipe import Data, Input
from pipeline.tensors import INPUT, TARGET


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """The images or recordings under `data.path`: either `train/<class>/`, `test/<class>/`, …, or `<class>/` alone.

    Splits are train, test, validation (or val) and calibration. Files may lie deeper in a class's folder; what is no
    example (another kind of file, one beside the classes' folders, one that begins with a dot) is counted in the
    source's notes. Classes are numbered by name (see :func:`~pipeline.data.labels.order_classes`). With
    `data.label_pattern` the files' names have the labels, wherever the files lie; without any targets (`targets: {}`)
    they may lie anywhere too.

    Raises:
        InputError: no such folder, an empty class, a class that the training examples lack, a name that the pattern
            does not fit, or images and recordings mixed.
    """
    root = required_path(data, "a folder of images or recordings")
    if not root.is_dir():
        raise InputError(f"data.path: {root} is a file; source 'folder' needs a folder of images or recordings.")
    not_taken = NotTaken()
    source = _read(root, data, names, not_taken)
    return replace(source, notes=(*source.notes, not_taken.sentence(root))) if not_taken.counts else source


def _read(root: Path, data: Data, names: tuple[str, ...] | None, not_taken: NotTaken) -> Source:
    if data.label_pattern is not None:
        files, labels, groups = _by_pattern(root, data.label_pattern, not_taken)
        return _source(root, {"train": (files, labels)}, labels, data, names, groups)
    if data.targets is not None and all(target.copy_of is not None for target in data.targets.values()):
        unlabelled = _without_labels(root, not_taken)
        return _source(
            root, {split: (files, [""] * len(files)) for split, files in unlabelled.items()}, [""], data, None, {}
        )
    found: dict[str, dict[str, list[str]]] = {}
    folders = _split_folders(root)
    for folder in dict.fromkeys((root, *folders.values())):
        _count_beside(folder, not_taken)
    for split, folder in folders.items():
        found[split] = {readable(child.name): _files(root, child, not_taken) for child in _folders(folder)}
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
    name, section = next(iter((data.inputs or {INPUT: Input()}).items()))
    channels = (section.preprocess or data.preprocess).channels
    columns = columns_of_files(
        name, root, {split: files for split, (files, _) in listing.items()}, data, channels=channels
    )
    indices = {split: [index_of[label] for label in labels] for split, (_, labels) in listing.items()}
    found = {split: Found({INPUT: column}, {TARGET: indices[split]}, groups) for split, column in columns.items()}
    digest = fingerprint.of_files(
        root, {split: ([[file] for file in files], indices[split]) for split, (files, _) in listing.items()}
    )
    known = {TARGET: KnownTarget("class", class_names)}
    return assemble(found, data, None, known, digest)


def _without_labels(root: Path, not_taken: NotTaken) -> dict[str, list[str]]:
    """Split → files; where there are folders of splits, theirs."""
    children = _folders(root)
    splits = {SPLIT_OF[child.name.lower()]: child for child in children if child.name.lower() in SPLIT_OF}
    whole = splits and len(splits) == len(children)
    if whole:
        _count_beside(root, not_taken)
    found = {
        split: _relative(root, folder, not_taken) for split, folder in (splits if whole else {"train": root}).items()
    }
    if not any(found.values()):
        raise _nothing_in(root, not_taken)
    return found


def _by_pattern(root: Path, pattern: str, not_taken: NotTaken) -> tuple[list[str], list[str], dict[str, list[str]]]:
    """Files, labels, and the values of all named groups."""
    files = _relative(root, root, not_taken)
    if not files:
        raise _nothing_in(root, not_taken)
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
            values.append(readable(match[name] or ""))
    return files, groups["label"], groups


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not is_of_the_system(child.name))


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


def _files(root: Path, folder: Path, not_taken: NotTaken) -> list[str]:
    own = NotTaken()
    files = _relative(root, folder, own)
    if not files:
        holds = f"; it holds {own}" if own.counts else ""
        raise InputError(
            f"The class folder {folder} has no images or recordings that can be read{holds}.{own.remedy} Put some "
            "there or remove the folder."
        )
    not_taken.update(own)
    return files


def _relative(root: Path, folder: Path, not_taken: NotTaken) -> list[str]:
    return [os.path.relpath(name, root) for name in sorted(examples_in(folder, not_taken))]


def _nothing_in(root: Path, not_taken: NotTaken) -> InputError:
    holds = f"; there are {not_taken}" if not_taken.counts else ""
    return InputError(f"data.path: no image or recording that can be read is in {root}{holds}.{not_taken.remedy}")


def _count_beside(folder: Path, not_taken: NotTaken) -> None:
    """What lies beside the folders of splits or classes."""
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or is_of_the_system(child.name):
            not_taken.add(str(child))


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
