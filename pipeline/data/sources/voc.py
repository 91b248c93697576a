"""`voc`: images with Pascal VOC's XML files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.annotations import voc_xml
from pipeline.data.annotations.annotated import AnnotatedImage
from pipeline.data.sources.annotated_files import (
    SPLIT_NAMES,
    Classes,
    Pair,
    kind_asked,
    sets_of,
    source_of_annotated,
)
from pipeline.data.sources.annotated_images import Images
from pipeline.data.sources.file_lists import is_of_the_system
from pipeline.data.sources.source import Source, required_path
from pipeline.errors import InputError
from pipeline.recipe import Data

ANNOTATIONS, SETS = "Annotations", "ImageSets/Main"
IMAGES = ("JPEGImages", "images", "Images", "")


def read(data: Data, names: tuple[str, ...] | None) -> Source:
    """Annotations/, JPEGImages/ and ImageSets/Main/{train,val,test}.txt, as the challenge had them; or XML files beside
    their images, in one folder or in one a split.

    An image without an object is an example without a box. Classes are numbered by name.

    Raises:
        InputError: no such folder, an annotation that is broken or whose image is not there, boxes that do not lie in
            their image, or a class that `data.labels` lacks.
    """
    root = required_path(data, "a folder with Pascal VOC's XML files and images")
    if not root.is_dir():
        raise InputError(
            f"data.path: {root} is a file; source 'voc' needs the folder that images and XML files are in."
        )
    kind_asked(data, ("boxes",))
    given = data.annotations
    if isinstance(given, dict):
        raise InputError("data.annotations: source 'voc' takes one folder of XML files; the splits are in ImageSets.")
    annotations = root / (given if given is not None else ANNOTATIONS)
    images = Images(data)
    if annotations.is_dir():
        pairs = {
            split: [_pair(root, annotations, path, images) for path in paths]
            for split, paths in _by_sets(root, annotations).items()
        }
    elif given is not None:
        raise InputError(f"data.annotations: there is no folder '{annotations}'.")
    else:
        folders = _folders_of_splits(root)
        pairs = {
            split: [_pair(folder, path.parent, path, images) for path in _xml_in(folder)]
            for split, folder in folders.items()
        }
    found = {split: [pair for pair in listed if pair is not None] for split, listed in pairs.items()}
    if not any(pairs.values()):
        raise InputError(f"data.path: there are no XML files in {annotations if annotations.is_dir() else root}.")
    return source_of_annotated(found, Classes(), data, names, images)


def _by_sets(root: Path, annotations: Path) -> dict[str, list[Path]]:
    """Split → XML files."""
    sets = sets_of(root / SETS)
    if not sets:
        return {"train": list(_xml_in(annotations))}
    found = {split: [annotations / f"{stem}.xml" for stem in stems] for split, stems in sets.items()}
    for split, files in found.items():
        absent = [file for file in files if not file.is_file()]
        if absent:
            raise InputError(
                f"{root / SETS}: the {split} set lists {len(files)} images, and {len(absent)} of them have no "
                f"annotation: there is no {absent[0]}."
            )
    return found


def _folders_of_splits(root: Path) -> dict[str, Path]:
    children = [child for child in sorted(root.iterdir()) if child.is_dir()]
    return {SPLIT_NAMES[child.name.lower()]: child for child in children if child.name.lower() in SPLIT_NAMES} or {
        "train": root
    }


def _xml_in(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_of_the_system(name))
        for name in sorted(files):
            if name.lower().endswith(".xml") and not is_of_the_system(name):
                yield Path(parent, name)


def _pair(root: Path, annotations: Path, path: Path, images: Images) -> Pair | None:
    """An annotation and its image, which has its name, or else the one that it states."""
    annotated = voc_xml.read(path)
    inside = path.parent.relative_to(annotations) if path.is_relative_to(annotations) else Path()
    folders = [path.parent, *(root / name / inside for name in IMAGES)]
    image = images.beside(folders, path.stem) or _stated(folders, annotated)
    if image is None:
        images.count_missing(annotated.where, annotated.file or f"{path.stem}.*")
        return None
    return Pair(image, annotated)


def _stated(folders: list[Path], annotated: AnnotatedImage) -> Path | None:
    found = (folder / annotated.file for folder in folders if annotated.file)
    return next((path for path in found if path.is_file()), None)
