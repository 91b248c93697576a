"""`coco`: images with COCO's JSON, of boxes, masks or points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.data.annotations import coco_json
from pipeline.data.annotations.coco_json import CocoFile
from pipeline.data.sources.annotated_files import SPLIT_NAMES, Classes, Pair, kind_asked, source_of_annotated
from pipeline.data.sources.annotated_images import Images
from pipeline.data.sources.source import Source, required_path
from pipeline.errors import InputError, did_you_mean, readable
from pipeline.recipe import Data, TargetKind

FOLDERS = ("annotations", "Annotations", "")
OTHERS = ("captions", "panoptic", "stuff", "image_info")
"""What files of annotations begin with that are of another kind."""
POINTS = "person_keypoints"


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """A JSON file, or one a split, and the images that it names.

    `data.path` is the file, or a folder with `annotations/instances_train2017.json` and the like, with
    `train/_annotations.coco.json` a split, or with one JSON file; `data.annotations` names others. Images are looked
    for beside the JSON file, in the folder, in those of its splits (`train2017/`) and in `images/`. `kind: mask` draws
    the outlines (class 0 is the background), `kind: points` takes one object's keypoints an image.

    Raises:
        InputError: no such file, one that is no COCO file, images that are not there, or classes that differ between
            files or from `data.labels`.
    """
    path = required_path(data, "a COCO JSON file, or the folder that it and the images are in")
    kind = kind_asked(data, ("boxes", "mask", "points"))
    root = path if path.is_dir() else path.parent
    files = _files(data, path, root, kind)
    images = Images(data)
    pairs: dict[str, list[Pair]] = {}
    first: CocoFile | None = None
    for split, file in files.items():
        found = coco_json.read(file, outlines=kind == "mask")
        if first is None:
            first = found
        elif found.categories != first.categories:
            odd = next((name for name in found.categories if name not in first.categories), None)
            what = f"has the category '{odd}'" if odd is not None else "has other categories, or in another order"
            raise InputError(f"{file} {what}, unlike the {next(iter(files))} split's file. They need the same.")
        folders = [file.parent, *_folders(root, split, file)]
        located = [(images.named(folders, one.file), one) for one in found.images]
        for image, one in located:
            if image is None:
                images.count_missing(one.where, one.file)
        pairs[split] = [Pair(image, one) for image, one in located if image is not None]
    assert first is not None  # as _files saw to
    classes = Classes(first.categories, first.point_names)
    return source_of_annotated(pairs, classes, data, names, images, kind=kind)


def _files(data: Data, path: Path, root: Path, kind: TargetKind) -> dict[str, Path]:
    """Split → JSON file."""
    given = data.annotations
    if isinstance(given, dict):
        unknown = next((split for split in given if split not in SPLIT_NAMES), None)
        if unknown is not None:
            raise InputError(f"data.annotations: there is no split '{unknown}'.{did_you_mean(unknown, SPLIT_NAMES)}")
        files = {SPLIT_NAMES[split]: root / file for split, file in given.items()}
    elif given is not None:
        files = {"train": root / given}
    elif path.is_file():
        files = {"train": path}
    else:
        files = _by_usual_names(root, kind)
    for file in files.values():
        if not file.is_file():
            raise InputError(f"data.annotations: there is no file '{file}'.")
    return files


def _by_usual_names(root: Path, kind: TargetKind) -> dict[str, Path]:
    in_splits = sorted(root.glob("*/_annotations.coco.json"))
    found = {SPLIT_NAMES[file.parent.name.lower()]: file for file in in_splits if file.parent.name in SPLIT_NAMES}
    if found:
        return found
    for folder in FOLDERS:
        listed = [file for file in sorted((root / folder).glob("*.json")) if not file.name.startswith((".", *OTHERS))]
        of_points = [file for file in listed if file.name.startswith(POINTS)]
        others = [file for file in listed if file not in of_points]
        listed = (of_points or others) if kind == "points" else (others or of_points)
        if len(listed) == 1:
            return {_split_of(listed[0]) or "train": listed[0]}
        splits = [(_split_of(file), file) for file in listed]
        known = {split: file for split, file in splits if split is not None}
        if known and len(known) == sum(split is not None for split, _ in splits):
            return known
        if listed:
            names = ", ".join(readable(file.name) for file in listed[:5])
            raise InputError(
                f"data.path: {root / folder} has {len(listed)} JSON files, {names}; which is which split? Say so: "
                "`--set data.annotations={train: FILE, validation: FILE}`."
            )
    raise InputError(
        f"data.path: there is no JSON file in {root} or {root / FOLDERS[0]}. Name it: `--set data.annotations=FILE`."
    )


def _split_of(file: Path) -> str | None:
    """`instances_val2017.json` → validation."""
    words = re.findall("[a-z]+", file.stem.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), None)


def _folders(root: Path, split: str, file: Path) -> Sequence[Path]:
    """Where the images of a split may be."""
    own = [word for word in re.findall(r"[A-Za-z]+\d*", file.stem) if re.match("[a-z]+", word.lower())]
    words = [*own, *(name for name, means in SPLIT_NAMES.items() if means == split)]
    return [root, root / "images", *(root / name for name in words), *(root / "images" / name for name in words)]
